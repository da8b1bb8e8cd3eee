-- When was somebody last sent to, held out or reached in the range? In milliseconds, per shard; 0 for nobody.
-- keys: last_at
SELECT max(toUnixTimestamp64Milli(ts)) AS last_at FROM ({{part:experiment_roles}}) WHERE role > 1
