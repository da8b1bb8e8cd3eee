-- What was stored after a sequence?
-- keys: event_key, message_key, sequence
SELECT event_key, message_key, sequence FROM {{raw_events}} WHERE sequence > {mark:UInt64} LIMIT {most:UInt64}
