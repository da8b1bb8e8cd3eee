-- `attributed_conversions` of some targets for all attribution types, for every range of days at once: what rows above
-- the `marks` of the cells add. What counts once is a (user, instance) pair.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT
        {{part:settled_cell}},
        sequence > {marks:Array(UInt64)}[cell + 1] AS fresh,
        (campaign_id, instance_id, user_key) AS unit,
        roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
        (attribution, goal) AS thing
    FROM {{events}}
    WHERE type = 'conversion' AND {{part:settled_concerned}})
{{part:settled_days}}
