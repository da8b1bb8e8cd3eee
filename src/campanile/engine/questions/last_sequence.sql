-- Which is the highest sequence among everything that is stored, events and reported counts?
-- keys: last
SELECT max(sequence) AS last
FROM (SELECT sequence FROM {{raw_events}} UNION ALL SELECT sequence FROM {{snapshots}})
