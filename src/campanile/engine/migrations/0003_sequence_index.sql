-- What was stored after a sequence is found without reading the log: old parts end below it.
ALTER TABLE {database}.events{local} ADD INDEX IF NOT EXISTS by_sequence sequence TYPE minmax GRANULARITY 1;
