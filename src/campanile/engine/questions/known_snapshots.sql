-- Which of these snapshots are stored?
-- keys: snapshot_key
SELECT DISTINCT snapshot_key FROM {{snapshots}} WHERE snapshot_key IN {keys:Array(UInt128)}
