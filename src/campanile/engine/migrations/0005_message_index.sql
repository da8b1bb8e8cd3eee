-- A message is found by the id its provider gave it: reports about it often say nothing else.
ALTER TABLE {database}.events{local} ADD INDEX IF NOT EXISTS by_message_id message_id TYPE bloom_filter(0.01) GRANULARITY 1;
