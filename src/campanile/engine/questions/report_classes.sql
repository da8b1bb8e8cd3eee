-- How many events of each row class are there, and how many different users do those of `people` have, per row of a
-- report?
--
-- Every event is counted once; which metrics its class feeds is known to whoever asks. For rows that keep no platforms,
-- locales or variations apart: keys that are always the same text would cost a third of the time.
-- keys: slot, day, class
-- sums: total, uniques
SELECT slot, day, class, count() AS total, uniqExactIf(user_key, class IN {people:Array(UInt16)}) AS uniques
FROM
(
    SELECT user_key, day, class, arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot
    FROM ({{part:report_events}})
)
GROUP BY slot, day, class
