-- How are these campaigns and days reported in each cell: replaced or added up?
-- keys: campaign_id, date, platform, locale, variation, mode
SELECT DISTINCT campaign_id, date, platform, locale, variation, mode
FROM {{snapshots}}
WHERE campaign_id IN {campaigns:Array(String)} AND date BETWEEN {first:Date32} AND {last:Date32}
