-- Which of these natural keys belong to a stored event?
-- keys: message_key
SELECT DISTINCT message_key FROM {{raw_events}} WHERE message_key IN {keys:Array(UInt128)}
