-- How many conversions do control groups have, per target campaign, goal and platform, and what are they worth?
-- keys: slot, book, platform_key, goal
-- sums: total, uniques, paid
SELECT slot, book, platform_key, won.1 AS goal,
    count() AS total, uniqExact(user_key, instance_id) AS uniques, sum(won.2) AS paid
FROM ({{part:control_won}})
GROUP BY slot, book, platform_key, goal
