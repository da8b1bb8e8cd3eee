-- The revenue of `settled_control`, day by day.
-- keys: slot, platform_key, book, thing, day
-- sums: paid
SELECT slot, platform_key, book, won.1 AS thing, roundDown(converted_at, {days:Array(Int64)}) AS day, sum(won.2) AS paid
FROM ({{part:control_won}})
GROUP BY slot, platform_key, book, thing, day
