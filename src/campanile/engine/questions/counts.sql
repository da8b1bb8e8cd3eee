-- How many events and how many different users does each metric have, per target campaign and node?
--
-- One call answers one level of the tree: a dimension that is switched off is rolled up under ''. An event counts for
-- every target its campaign belongs to (itself, its parent) and for every metric of its row class. Users are distinct
-- over the whole range and node (metrics specification 3.2). Cells listed in `covered` are answered by snapshots and
-- left out here, per day and metric; `outside` says whether there are any.
-- keys: target, platform_key, locale_key, variation_key, metric
-- sums: total, uniques
SELECT
    arrayJoin({targets:Array(Array(UInt32))}[member]) AS target,
    platform_key,
    locale_key,
    variation_key,
    metric,
    count() AS total,
    uniqExact(user_key) AS uniques
FROM
(
    SELECT
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0)) AS member,
        if({by_platform:UInt8} = 1, platform, '') AS platform_key,
        if({by_locale:UInt8} = 1, locale, '') AS locale_key,
        if({by_variation:UInt8} = 1, variation, '') AS variation_key,
        arrayJoin({class_metrics:Array(Array(UInt8))}[1
            + (toUInt16(type) - 1) * 32
            + (machine AND channel = 'EMAIL')
            + 2 * ({ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
            + 4 * {implied:Array(UInt8)}[member]
            + 8 * (device_id != '')
            + 16 * (type = 'removed' AND reason = 'inactive_device_token'
                OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})]) AS metric,
        user_key
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
            toString(toDate(ts, {timezone:String})), '\t', toString(metric)) NOT IN {covered:Array(String)})
)
GROUP BY target, platform_key, locale_key, variation_key, metric
