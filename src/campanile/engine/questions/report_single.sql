-- As `report_classes`, where every campaign has one slot, and no other campaign has the same: to look slots up for
-- every event would cost a fifth of the time.
-- keys: slot, day, class
-- sums: total, uniques
SELECT {slots:Array(UInt32)}[member] AS slot, day, class, total, uniques
FROM
(
    SELECT member, day, class, count() AS total, uniqExactIf(user_key, class IN {people:Array(UInt16)}) AS uniques
    FROM ({{part:report_events}})
    GROUP BY member, day, class
)
