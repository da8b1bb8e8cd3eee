-- Which platforms, locales and variations does each campaign have in the range, and which kinds of rows?
-- keys: campaign_id, platform, locale, variation
-- sums: events, failures, qualifications, survivors
SELECT
    campaign_id,
    platform,
    locale,
    variation,
    count() AS events,
    countIf(type IN ('failed', 'undelivered', 'removed')) AS failures,
    countIf(type = 'qualified' AND step IN {entry_steps:Array(String)}) AS qualifications,
    countIf(type = 'qualified' AND step NOT IN {entry_steps:Array(String)}) AS survivors
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type NOT IN ('deferred', 'uninstall', 'custom', 'conversion', 'user_merge')
GROUP BY campaign_id, platform, locale, variation
