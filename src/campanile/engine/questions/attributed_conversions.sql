-- Which conversions did senders report as already attributed, per goal, target campaign and node?
--
-- Unique counts (user, instance) pairs: a user who converts after two instances converted twice (conversions
-- specification 6). Revenue is the plain sum.
-- keys: target, platform_key, locale_key, variation_key, goal
-- sums: total, uniques, revenue
SELECT
    arrayJoin({targets:Array(Array(UInt32))}[
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS target,
    if({by_platform:UInt8} = 1, platform, '') AS platform_key,
    if({by_locale:UInt8} = 1, locale, '') AS locale_key,
    if({by_variation:UInt8} = 1, variation, '') AS variation_key,
    goal,
    count() AS total,
    uniqExact(campaign_id, instance_id, user_key) AS uniques,
    sum(ifNull(revenue, 0)) AS revenue
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type = 'conversion' AND attribution = {attribution:String}
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
        toString(toDate(ts, {timezone:String})), '\t', goal) NOT IN {covered:Array(String)})
GROUP BY target, platform_key, locale_key, variation_key, goal
