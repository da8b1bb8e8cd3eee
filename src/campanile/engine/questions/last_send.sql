-- What was sent to this user last on a channel?
-- keys: sent_at, campaign_id, platform, locale, variation, instance_id, flow_id, device_id
SELECT toUnixTimestamp64Milli(ts) AS sent_at, campaign_id, platform, locale, variation, instance_id, flow_id, device_id
FROM {{raw_events}}
WHERE user_id = {user:String} AND channel = {channel:String} AND type = 'sent'
    AND ts >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')
ORDER BY ts DESC, campaign_id
LIMIT 1
