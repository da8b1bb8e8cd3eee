-- Which campaigns have at least one event in the range?
-- keys: campaign_id
-- sums: events
SELECT campaign_id, count() AS events
FROM {{raw_events}}
WHERE ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND campaign_id != ''
    AND type NOT IN ('uninstall', 'custom', 'user_merge')
GROUP BY campaign_id
