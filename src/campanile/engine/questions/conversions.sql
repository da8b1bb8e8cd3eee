-- How many conversions are credited to each target campaign, per goal and node, and what are they worth?
--
-- Unique counts (user, instance) pairs (conversions specification 6). A conversion counts on its own day, and in the
-- node of the touch that is credited. Goals are numbered per root. Slots and levels as in `counts`; campaigns that
-- only compete have none.
-- keys: slot, platform_key, locale_key, variation_key, goal
-- sums: total, uniques, paid
SELECT slot, platform_key, locale_key, variation_key, won.1 AS goal,
    count() AS total, uniqExact(user_key, instance_id) AS uniques, sum(won.2) AS paid
FROM
(
    SELECT
        user_key,
        carried[6] AS instance_id,
        arrayJoin(goals) AS won,
        arrayJoin({slots:Array(Array(UInt32))}[credited_member]) AS slot,
        if(bitTest(slot, 0), carried[3], '') AS platform_key,
        if(bitTest(slot, 1), carried[4], '') AS locale_key,
        if(bitTest(slot, 2), carried[5], '') AS variation_key
    FROM ({{part:credits}})
    WHERE (NOT bitTest(slot, 1) OR locale_key != '') AND (NOT bitTest(slot, 2) OR variation_key != '')
)
GROUP BY slot, platform_key, locale_key, variation_key, goal
