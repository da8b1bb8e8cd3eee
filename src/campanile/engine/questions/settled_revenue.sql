-- The revenue of `settled_attributed`, day by day.
-- keys: cell, thing, day
-- sums: paid
SELECT
    {{part:settled_cell}},
    (attribution, goal) AS thing,
    roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
    sum(ifNull(revenue, toDecimal64(0, 4))) AS paid
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND type = 'conversion'
    AND sequence > {since:UInt64}
    AND sequence > {marks:Array(UInt64)}[cell + 1]
GROUP BY cell, thing, day
