-- How many (user, instance) pairs that were held out converted, per campaign, day, control group, platform and goal?
--
-- As `control_conversions`, with days: a conversion counts on its own day.
-- keys: slot, day, book, platform_key, goal
-- sums: uniques
SELECT
    slot, if({by_day:UInt8} = 1, roundDown(converted_at, {days:Array(Int64)}), 0) AS day, book, platform_key,
    won.1 AS goal, uniqExact(user_key, instance_id) AS uniques
FROM ({{part:control_won}})
GROUP BY slot, day, book, platform_key, goal
