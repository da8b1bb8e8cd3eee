-- What does the log hold of these campaigns: between which instants and sequences, how many rows?
-- keys: first, last, oldest, newest, rows
SELECT toUnixTimestamp64Milli(min(ts)) AS first, toUnixTimestamp64Milli(max(ts)) AS last,
    min(sequence) AS oldest, max(sequence) AS newest, count() AS rows
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
HAVING rows > 0
