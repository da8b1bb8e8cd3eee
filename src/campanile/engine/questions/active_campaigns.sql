-- Which campaigns have at least one event in the range that was stored after a sequence, and when was their last one?
-- keys: campaign_id, newest
SELECT campaign_id, max(sequence) AS newest
FROM {{raw_events}}
WHERE ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND sequence > {since:UInt64}
    AND campaign_id != ''
    AND type NOT IN ('uninstall', 'custom', 'user_merge')
GROUP BY campaign_id
