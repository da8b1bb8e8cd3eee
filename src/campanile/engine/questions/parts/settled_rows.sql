-- Every event of a target once per cell (a node of one of its levels, by number) and metric it counts for. `cells` lists
-- the cells of each place (platform, locale, variation).
SELECT user_key, roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
    arrayJoin({cells:Array(Array(UInt32))}[
        transform(concat(platform, '\t', locale, '\t', variation), {places:Array(String)}, {numbers:Array(UInt32)},
            toUInt32(0))]) AS cell,
    arrayJoin({class_metrics:Array(Array(UInt8))}[1
        + (toUInt16(type) - 1) * 32
        + (machine AND channel = 'EMAIL')
        + 2 * ({ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
        + 4 * (campaign_id IN {implied:Array(String)})
        + 8 * (device_id != '')
        + 16 * (type = 'removed' AND reason = 'inactive_device_token'
            OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})]) AS thing
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
