-- Every event of the targets once per cell and metric it counts for.
SELECT user_key AS unit, sequence, roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
    {{part:settled_cell}},
    arrayJoin({class_metrics:Array(Array(UInt8))}[1
        + (toUInt16(type) - 1) * 32
        + (machine AND channel = 'EMAIL')
        + 2 * ({ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
        + 4 * (campaign_id IN {implied:Array(String)})
        + 8 * (device_id != '')
        + 16 * (type = 'removed' AND reason = 'inactive_device_token'
            OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})]) AS thing
FROM {{events}}
WHERE {{part:settled_concerned}}
