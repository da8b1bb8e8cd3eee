-- Which reported counts hold for each campaign, day and cell?
--
-- `replace`: the newest statement about a key wins; `add`: all of them are summed (ingest specification 4.6).
-- keys: campaign_id, date, platform, locale, variation, kind, key, goal, attribution
-- sums: total, unique, revenue
SELECT
    campaign_id, date, platform, locale, variation, kind, key, goal, attribution,
    if(max(mode) = 'add', sum(s.total), argMax(s.total, (as_of, sequence, snapshot_key))) AS total,
    if(max(mode) = 'add', sum(s.unique), argMax(s.unique, (as_of, sequence, snapshot_key))) AS unique,
    if(max(mode) = 'add', sum(paid), argMax(paid, (as_of, sequence, snapshot_key))) AS revenue
FROM (SELECT *, ifNull(revenue, toDecimal64(0, 4)) AS paid FROM {{snapshots}}) AS s
WHERE campaign_id IN {campaigns:Array(String)}
  AND date BETWEEN {first:Date32} AND {last:Date32}
GROUP BY campaign_id, date, platform, locale, variation, kind, key, goal, attribution
