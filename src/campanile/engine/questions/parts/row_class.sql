-- The class of an event row, from 1 (campanile.metrics.rows). `member` is the number of its campaign.
1
    + (toUInt16(type) - 1) * 32
    + (machine AND channel = 'EMAIL')
    + 2 * ({ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
    + 4 * {implied:Array(UInt8)}[member]
    + 8 * (device_id != '')
    + 16 * (type = 'removed' AND reason = 'inactive_device_token'
        OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})
