-- For which funnel steps do senders report survivors?
-- keys: target, step
-- sums: events
SELECT
    arrayJoin({targets:Array(Array(UInt32))}[
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS target,
    step,
    count() AS events
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type = 'qualified' AND step NOT IN {entry_steps:Array(String)}
GROUP BY target, step
