-- How many events and how many different users does each metric have, per target campaign and node?
--
-- `slots` lists for every member campaign the targets it counts for (itself, its parent) and the levels of the tree
-- each of them needs, as 8 · target + level; the bits of a level keep platform (1), locale (2) and variation (4)
-- apart, other dimensions are rolled up under ''. Events without a locale or variation belong to aggregates only. An
-- event counts for every metric of its row class. Users are distinct over the whole range and node (metrics
-- specification 3.2). Cells in `covered` are answered by snapshots and left out here, per day and metric; `outside`
-- says whether there are any.
-- keys: slot, platform_key, locale_key, variation_key, metric
-- sums: total, uniques
SELECT slot, platform_key, locale_key, variation_key, metric, count() AS total, uniqExact(user_key) AS uniques
FROM
(
    SELECT
        campaign_id, platform, locale, variation, ts, user_key,
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0)) AS member,
        arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot,
        if(bitTest(slot, 0), platform, '') AS platform_key,
        if(bitTest(slot, 1), locale, '') AS locale_key,
        if(bitTest(slot, 2), variation, '') AS variation_key,
        arrayJoin({class_metrics:Array(Array(UInt8))}[1
            + (toUInt16(type) - 1) * 32
            + (machine AND channel = 'EMAIL')
            + 2 * ({ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
            + 4 * {implied:Array(UInt8)}[member]
            + 8 * (device_id != '')
            + 16 * (type = 'removed' AND reason = 'inactive_device_token'
                OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})]) AS metric
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
)
WHERE (NOT bitTest(slot, 1) OR locale != '')
    AND (NOT bitTest(slot, 2) OR variation != '')
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
        toString(toDate(ts, {timezone:String})), '\t', toString(metric)) NOT IN {covered:Array(String)})
GROUP BY slot, platform_key, locale_key, variation_key, metric
