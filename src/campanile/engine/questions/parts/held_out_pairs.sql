-- Hold-outs in the range, for all platforms together and for each. Slots and covered cells as in `counts`, on levels
-- without locales and variations.
SELECT
    user_key, instance_id, ts,
    toUInt8(indexOf({control_reasons:Array(String)}, reason)) AS book,
    arrayJoin({slots:Array(Array(UInt32))}[
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
    if(bitTest(slot, 0), platform, '') AS platform_key
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type = 'removed' AND reason IN {control_reasons:Array(String)}
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t\t\t',
        toString(toDate(ts, {timezone:String})), '\t', reason) NOT IN {covered:Array(String)})
