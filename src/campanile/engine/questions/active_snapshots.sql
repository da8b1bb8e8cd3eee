-- Which campaigns have counts reported as numbers for days of the range?
-- keys: campaign_id
-- sums: cells
SELECT campaign_id, count() AS cells
FROM {{snapshots}}
WHERE date BETWEEN {first:Date32} AND {last:Date32}
GROUP BY campaign_id
