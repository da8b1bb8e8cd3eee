-- Which of these events are stored?
-- keys: event_key
SELECT DISTINCT event_key FROM {{raw_events}} WHERE event_key IN {keys:Array(UInt128)}
