-- `failures` of some targets, for every range of days at once: what rows above the `marks` of the cells add.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT
        {{part:settled_cell}},
        sequence > {marks:Array(UInt64)}[cell + 1] AS fresh,
        user_key AS unit,
        roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
        reason AS thing
    FROM {{events}}
    WHERE type IN ('failed', 'undelivered', 'removed') AND {{part:settled_concerned}})
{{part:settled_days}}
