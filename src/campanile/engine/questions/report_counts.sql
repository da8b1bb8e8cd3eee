-- How many events and how many different users does each metric have, per row of a report?
--
-- As `counts`, with days: an event counts for every metric of its row class, and users are distinct within a row.
-- `people` are the metrics whose users are wanted. Cells in `covered` are answered by snapshots and left out here, per
-- day and metric; `outside` says whether there are any.
-- keys: slot, day, platform_key, locale_key, variation_key, metric
-- sums: total, uniques
SELECT
    slot, day, platform_key, locale_key, variation_key, metric,
    count() AS total, uniqExactIf(user_key, has({people:Array(UInt8)}, metric)) AS uniques
FROM
(
    SELECT
        campaign_id, platform, user_key,
        {{part:report_member}},
        {{part:report_day}},
        {{part:report_place}},
        arrayJoin({class_metrics:Array(Array(UInt8))}[{{part:row_class}}]) AS metric
    FROM {{events}}
    WHERE {{part:report_range}} AND type IN {types:Array(String)}
)
WHERE {outside:UInt8} = 0
    OR concat({{part:report_cell}}, '\t', toString(metric)) NOT IN {covered:Array(String)}
GROUP BY slot, day, platform_key, locale_key, variation_key, metric
