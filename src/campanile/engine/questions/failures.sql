-- Why were messages not sent or not delivered? Events and users per reason, target campaign and node.
-- keys: target, platform_key, locale_key, variation_key, reason
-- sums: total, uniques
SELECT
    arrayJoin({targets:Array(Array(UInt32))}[
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS target,
    if({by_platform:UInt8} = 1, platform, '') AS platform_key,
    if({by_locale:UInt8} = 1, locale, '') AS locale_key,
    if({by_variation:UInt8} = 1, variation, '') AS variation_key,
    reason,
    count() AS total,
    uniqExact(user_key) AS uniques
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type IN ('failed', 'undelivered', 'removed')
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
        toString(toDate(ts, {timezone:String})), '\t', reason) NOT IN {covered:Array(String)})
GROUP BY target, platform_key, locale_key, variation_key, reason
