-- The revenue of `settled_attributed`, day by day.
-- keys: level, platform_key, locale_key, variation_key, thing, day
-- sums: paid
SELECT
    arrayJoin({levels:Array(UInt8)}) AS level,
    if(bitTest(level, 0), platform, '') AS platform_key,
    if(bitTest(level, 1), locale, '') AS locale_key,
    if(bitTest(level, 2), variation, '') AS variation_key,
    (attribution, goal) AS thing,
    roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
    sum(ifNull(revenue, toDecimal64(0, 4))) AS paid
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND type = 'conversion'
    AND (NOT bitTest(level, 1) OR locale != '')
    AND (NOT bitTest(level, 2) OR variation != '')
GROUP BY level, platform_key, locale_key, variation_key, thing, day
