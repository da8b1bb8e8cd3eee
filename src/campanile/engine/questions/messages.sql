-- What does the log know of these messages? Per shard, of each message the event stored first that names a campaign.
-- keys: provider, message_id, sequence, campaign_id, channel, platform, locale, variation, instance_id, flow_id, user_id, device_id
SELECT
    provider, message_id, sequence, campaign_id, channel, platform, locale, variation, instance_id, flow_id, user_id,
    device_id
FROM {{raw_events}}
WHERE message_id IN {ids:Array(String)} AND provider IN {providers:Array(String)} AND campaign_id != ''
    AND sequence > {mark:UInt64} AND ts >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
ORDER BY sequence, event_key
LIMIT 1 BY provider, message_id
