-- How many (user, instance) pairs that were held out converted, per campaign, day, control group, platform and goal?
--
-- As `control_conversions`, with days: a conversion counts on its own day.
-- keys: slot, day, book, platform_key, goal
-- sums: uniques
SELECT slot, day, book, platform_key, goal, uniqExact(user_key, instance_id) AS uniques
FROM
(
    SELECT
        c.user_key AS user_key, c.instance_id AS instance_id, c.book AS book, c.goal AS goal, c.day AS day,
        c.slot AS slot, arrayJoin(if(bitTest(c.slot, 0), p.platforms, [''])) AS platform_key
    FROM
    (
        SELECT
            user_key, carried[6] AS instance_id, book, arrayJoin(goals).1 AS goal,
            if({by_day:UInt8} = 1, roundDown(converted_at, {days:Array(Int64)}), 0) AS day,
            arrayJoin({slots:Array(Array(UInt32))}[credited_member]) AS slot
        FROM ({{part:credits}})
    ) AS c
    LEFT JOIN ({{part:held_platforms}}) AS p
        ON p.user_key = c.user_key AND p.instance_id = c.instance_id AND p.book = c.book AND p.slot = c.slot
)
GROUP BY slot, day, book, platform_key, goal
