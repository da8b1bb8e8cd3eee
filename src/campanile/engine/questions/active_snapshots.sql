-- Which campaigns have counts reported as numbers for days of the range that were stored after a sequence, and when were the last?
-- keys: campaign_id, newest
SELECT campaign_id, max(sequence) AS newest
FROM {{snapshots}}
WHERE date BETWEEN {first:Date32} AND {last:Date32} AND sequence > {since:UInt64}
GROUP BY campaign_id
