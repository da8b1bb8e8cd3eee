-- Which merges of users have been accepted?
-- keys: sequence, event_key, user_id, to_user_id
SELECT sequence, event_key, user_id, JSONExtractString(attributes, 'to_user_id') AS to_user_id
FROM {{raw_events}}
WHERE campaign_id = '' AND type = 'user_merge'
