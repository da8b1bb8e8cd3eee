-- How many events and different users does each metric have, per target campaign and stretch of time?
--
-- `buckets` are the instants at which stretches begin, ascending; users are distinct within each of them. Slots as in
-- `counts`, all on the level over everything. Classes without a wanted metric have an empty list in `class_metrics`.
-- Cells in `covered` are answered by snapshots and left out here.
-- keys: slot, bucket, metric
-- sums: total, uniques
SELECT slot, bucket, metric, count() AS total, uniqExact(user_key) AS uniques
FROM
(
    SELECT
        campaign_id, platform, ts, user_key,
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0)) AS member,
        arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot,
        roundDown(toUnixTimestamp64Milli(ts), {buckets:Array(Int64)}) AS bucket,
        arrayJoin({class_metrics:Array(Array(UInt8))}[{{part:row_class}}]) AS metric
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND type IN {types:Array(String)}
)
WHERE {outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t\t\t',
    toString(toDate(ts, {timezone:String})), '\t', toString(metric)) NOT IN {covered:Array(String)}
GROUP BY slot, bucket, metric
