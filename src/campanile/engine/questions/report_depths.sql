-- How far down the audience steps of the funnel do (instance, user) pairs come, per row of a report?
--
-- As `funnel_depths`, for rows over all locales and variations: with days, a day's removals decide about that day's
-- qualifications. Slots as in `counts`, covered cells as in `report_counts`.
-- keys: slot, day, platform_key, stage
-- sums: total
SELECT slot, day, platform_key, stage, count() AS total
FROM
(
    SELECT slot, day, platform_key, campaign_id, user_key, instance_id, max(triple_stage) AS stage
    FROM
    (
        SELECT
            campaign_id, user_key, instance_id, platform, day, triple_stage,
            arrayJoin(entries) AS day_start,
            {{part:report_member}},
            '' AS locale, '' AS variation,
            {{part:report_place}}
        FROM
        (
            SELECT
                campaign_id, user_key, instance_id, platform, day,
                min(if(type = 'qualified', 255,
                    transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))) AS triple_stage,
                groupUniqArrayIf(if({outside:UInt8} = 0, 0, day_start), type = 'qualified') AS entries
            FROM
            (
                SELECT campaign_id, user_key, instance_id, platform, type, reason, {{part:report_day}}
                FROM {{events}}
                WHERE {{part:report_range}}
                    AND (type IN ('removed', 'failed') OR type = 'qualified' AND step IN {entry_steps:Array(String)})
            )
            GROUP BY campaign_id, user_key, instance_id, platform, day
        )
    )
    WHERE {outside:UInt8} = 0 OR {{part:report_cell}} NOT IN {covered:Array(String)}
    GROUP BY slot, day, platform_key, campaign_id, user_key, instance_id
)
GROUP BY slot, day, platform_key, stage
