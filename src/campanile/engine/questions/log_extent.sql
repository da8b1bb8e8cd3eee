-- How many rows does the log hold, and which is the highest sequence among them?
-- keys: rows, last_sequence
SELECT count() AS rows, max(sequence) AS last_sequence FROM {{raw_events}}
