-- How many (user, instance) pairs were held out in the range, per target campaign, control group and platform?
-- keys: slot, book, platform_key
-- sums: pairs
SELECT slot, book, platform_key, uniqExact(user_key, instance_id) AS pairs
FROM ({{part:held_out_pairs}})
GROUP BY slot, book, platform_key
