-- `held_out` of one target, for every range of days at once.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT (slot, platform_key, book) AS cell, toUInt8(0) AS thing, (user_key, instance_id) AS unit,
        roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day, 1 AS fresh
    FROM ({{part:held_out_pairs}}))
{{part:settled_days}}
