-- What does the log hold of these campaigns: between which instants, up to which sequence, where, and are there
-- conversions?
-- keys: campaign_id, first, last, newest, places
-- sums: events, conversions
SELECT campaign_id, toUnixTimestamp64Milli(min(ts)) AS first, toUnixTimestamp64Milli(max(ts)) AS last,
    max(sequence) AS newest, groupUniqArray((platform, locale, variation)) AS places,
    count() AS events, countIf(type = 'conversion') AS conversions
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
GROUP BY campaign_id
