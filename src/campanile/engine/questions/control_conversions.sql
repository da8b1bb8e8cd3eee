-- How many conversions do control groups have, per target campaign, goal and platform, and what are they worth?
--
-- A hold-out is the touch. Books are 1 for the campaign's control group and 2 for the global one. On one platform
-- count the conversions of (user, instance) pairs that were ever held out there (conversions specification 8.4).
-- keys: slot, book, platform_key, goal
-- sums: total, uniques, paid
SELECT slot, book, platform_key, won.1 AS goal,
    count() AS total, uniqExact(user_key, instance_id) AS uniques, sum(won.2) AS paid
FROM
(
    SELECT
        c.user_key AS user_key, c.instance_id AS instance_id, c.book AS book, c.won AS won, c.slot AS slot,
        arrayJoin(if(bitTest(c.slot, 0), p.platforms, [''])) AS platform_key
    FROM
    (
        SELECT user_key, carried[6] AS instance_id, book, arrayJoin(goals) AS won,
            arrayJoin({slots:Array(Array(UInt32))}[credited_member]) AS slot
        FROM ({{part:credits}})
    ) AS c
    LEFT JOIN ({{part:held_platforms}}) AS p
        ON p.user_key = c.user_key AND p.instance_id = c.instance_id AND p.book = c.book AND p.slot = c.slot
)
GROUP BY slot, book, platform_key, goal
