-- Which is the highest sequence among the reported counts?
-- keys: last
SELECT max(sequence) AS last FROM {{snapshots}}
