-- Which conversions did senders report as already attributed, per row of a report?
--
-- As `attributed_conversions`, with days and for several attribution types at once. Covered cells as in
-- `report_counts`.
-- keys: slot, day, platform_key, locale_key, variation_key, attribution, goal
-- sums: total, uniques, paid
SELECT
    slot, day, platform_key, locale_key, variation_key, attribution, goal,
    count() AS total,
    uniqExact(instance_id, user_key) AS uniques,
    sum(ifNull(revenue, toDecimal64(0, 4))) AS paid
FROM
(
    SELECT
        campaign_id, platform, user_key, instance_id, attribution, goal, revenue,
        {{part:report_member}}, {{part:report_day}}, {{part:report_place}}
    FROM {{events}}
    WHERE {{part:report_range}} AND type = 'conversion' AND attribution IN {attributions:Array(String)}
)
WHERE {outside:UInt8} = 0
    OR concat({{part:report_cell}}, '\t', attribution, '\t', goal) NOT IN {covered:Array(String)}
GROUP BY slot, day, platform_key, locale_key, variation_key, attribution, goal
