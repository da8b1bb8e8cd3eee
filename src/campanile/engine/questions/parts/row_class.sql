-- The class of an event row, from 1 (campanile.metrics.rows). `member` is the number of its campaign. Only the bits in
-- `class_bits` are told apart: what the others depend on is not read.
toUInt16(1
    + (toUInt16(type) - 1) * 32
    + (bitTest({class_bits:UInt8}, 0) AND machine AND channel = 'EMAIL')
    + 2 * (bitTest({class_bits:UInt8}, 1) AND {ios_substitute:UInt8} = 1 AND channel = 'PUSH' AND platform = 'IOS')
    + 4 * (bitTest({class_bits:UInt8}, 2) AND {implied:Array(UInt8)}[member])
    + 8 * (bitTest({class_bits:UInt8}, 3) AND device_id != '')
    + 16 * (bitTest({class_bits:UInt8}, 4) AND (type = 'removed' AND reason = 'inactive_device_token'
        OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})))
