-- When did each campaign have events, and which locales and variations did they name?
--
-- Every shard tells of its own events. `seen` leaves out conversions, which make no node of their own.
-- keys: campaign_id, locale, variation, events, seen, first, last
SELECT
    campaign_id, locale, variation,
    count() AS events,
    countIf(type != 'conversion') AS seen,
    toUnixTimestamp64Milli(min(ts)) AS first,
    toUnixTimestamp64Milli(max(ts)) AS last
FROM {{raw_events}}
WHERE {{part:report_range}} AND type NOT IN ('deferred', 'uninstall', 'custom', 'user_merge')
GROUP BY campaign_id, locale, variation
