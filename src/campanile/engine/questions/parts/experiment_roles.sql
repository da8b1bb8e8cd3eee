-- Events of a campaign and its runs in the range that put somebody into an arm of an experiment.
SELECT
    user_key, instance_id, variation, ts,
    toUInt8(if(type = 'removed', indexOf({control_reasons:Array(String)}, reason), 0)) AS book,
    if(type = 'removed', toUInt8(if(book > 0, 31, 0)),
        {roles:Array(Array(UInt8))}[if(platform = 'IOS', 2, 1)][toUInt8(type)]) AS role
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND type IN {role_types:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND role > 0
    AND NOT ({exclude_machine:UInt8} = 1 AND machine AND type != 'removed')
