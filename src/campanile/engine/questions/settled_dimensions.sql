-- `dimensions`, day by day. A day is known by the instant it starts at, in UTC epoch milliseconds.
-- keys: platform, locale, variation, day
-- sums: events, failures, qualifications, survivors
SELECT
    platform,
    locale,
    variation,
    roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
    count() AS events,
    countIf(type IN ('failed', 'undelivered', 'removed')) AS failures,
    countIf(type = 'qualified' AND step IN {entry_steps:Array(String)}) AS qualifications,
    countIf(type = 'qualified' AND step NOT IN {entry_steps:Array(String)}) AS survivors
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND type NOT IN ('deferred', 'uninstall', 'custom', 'conversion', 'user_merge')
GROUP BY platform, locale, variation, day
