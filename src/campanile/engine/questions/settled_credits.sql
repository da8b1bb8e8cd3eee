-- `conversions` of one target, for every range of days at once: a conversion is credited to the same touch whatever range
-- is asked for, and counts on its own day. What counts once is a (user, instance) pair.
-- keys: level, platform_key, locale_key, variation_key, thing, day, previous
-- sums: total, uniques
WITH happened AS ({{part:settled_credited}})
{{part:settled_days}}
