-- The revenue of `settled_credits`, day by day.
-- keys: level, platform_key, locale_key, variation_key, thing, day
-- sums: paid
SELECT level, platform_key, locale_key, variation_key, thing, day, sum(worth) AS paid
FROM ({{part:settled_credited}})
GROUP BY level, platform_key, locale_key, variation_key, thing, day
