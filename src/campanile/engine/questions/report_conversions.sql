-- How many conversions are credited, per row of a report and goal, and what are they worth?
--
-- As `conversions`, with days: a conversion counts on its own day. Rows as in `report_counts`.
-- keys: slot, day, platform_key, locale_key, variation_key, goal
-- sums: total, uniques, paid
SELECT slot, day, platform_key, locale_key, variation_key, won.1 AS goal,
    count() AS total, uniqExact(user_key, instance_id) AS uniques, sum(won.2) AS paid
FROM
(
    SELECT user_key, instance_id, won, day, {{part:report_place}}
    FROM
    (
        SELECT
            user_key,
            if({by_day:UInt8} = 1, roundDown(converted_at, {days:Array(Int64)}), 0) AS day,
            credited_member AS member,
            carried[3] AS platform, carried[4] AS locale, carried[5] AS variation, carried[6] AS instance_id,
            arrayJoin(goals) AS won
        FROM ({{part:credits}})
    )
)
GROUP BY slot, day, platform_key, locale_key, variation_key, goal
