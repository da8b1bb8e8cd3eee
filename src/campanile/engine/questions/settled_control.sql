-- `control_conversions` of one target, for every range of days at once. What counts once is a (user, instance) pair.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT (slot, platform_key, book) AS cell, won.1 AS thing, (user_key, instance_id) AS unit,
        roundDown(converted_at, {days:Array(Int64)}) AS day, 1 AS fresh
    FROM ({{part:control_won}}))
{{part:settled_days}}
