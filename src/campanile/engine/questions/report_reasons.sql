-- How many messages ended with certain reasons, and how many people were held out, per row of a report?
-- Covered cells as in `report_counts`.
-- keys: slot, day, platform_key, locale_key, variation_key, reason
-- sums: total
SELECT slot, day, platform_key, locale_key, variation_key, reason, count() AS total
FROM
(
    SELECT campaign_id, platform, reason, {{part:report_member}}, {{part:report_day}}, {{part:report_place}}
    FROM {{events}}
    WHERE {{part:report_range}} AND type IN ('failed', 'undelivered', 'removed') AND reason IN {reasons:Array(String)}
)
WHERE {outside:UInt8} = 0 OR concat({{part:report_cell}}, '\t', reason) NOT IN {covered:Array(String)}
GROUP BY slot, day, platform_key, locale_key, variation_key, reason
