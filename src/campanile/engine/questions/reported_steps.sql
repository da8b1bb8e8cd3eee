-- For which funnel steps do senders report survivors?
-- keys: campaign_id, step
-- sums: events
SELECT campaign_id, step, count() AS events
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND type = 'qualified' AND step NOT IN {entry_steps:Array(String)}
GROUP BY campaign_id, step
