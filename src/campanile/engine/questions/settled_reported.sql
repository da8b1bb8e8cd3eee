-- Are there reported counts of these campaigns?
-- keys: campaign_id
-- sums: rows
SELECT campaign_id, count() AS rows FROM {{snapshots}} WHERE campaign_id IN {campaigns:Array(String)}
GROUP BY campaign_id
