-- `attributed_conversions` of one target for all attribution types, for every range of days at once; what counts once
-- is a (user, instance) pair.
-- keys: level, platform_key, locale_key, variation_key, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT
        arrayJoin({levels:Array(UInt8)}) AS level,
        if(bitTest(level, 0), platform, '') AS platform_key,
        if(bitTest(level, 1), locale, '') AS locale_key,
        if(bitTest(level, 2), variation, '') AS variation_key,
        (campaign_id, instance_id, user_key) AS unit,
        roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
        (attribution, goal) AS thing
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND type = 'conversion'
        AND (NOT bitTest(level, 1) OR locale != '')
        AND (NOT bitTest(level, 2) OR variation != ''))
{{part:settled_days}}
