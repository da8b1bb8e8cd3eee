-- `conversions` of one target, for every range of days at once: a conversion is credited to the same touch whatever range
-- is asked for, and counts on its own day. What counts once is a (user, instance) pair.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT (level, platform_key, locale_key, variation_key) AS cell, thing, unit, day, 1 AS fresh
    FROM ({{part:settled_credited}}))
{{part:settled_days}}
