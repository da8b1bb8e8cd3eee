-- Who was still in at a funnel step, where the sender reports survivors instead of removals, per row of a report?
--
-- As `survivors`, for rows over all locales and variations. Slots as in `counts`.
-- keys: slot, day, platform_key, step
-- sums: total
SELECT slot, day, platform_key, step,
    if(step IN {device_steps:Array(String)}, count(), uniqExact(campaign_id, instance_id, user_key)) AS total
FROM
(
    SELECT
        campaign_id, user_key, instance_id, day, triple_stage,
        arrayJoin(steps) AS step,
        {{part:report_member}},
        '' AS locale, '' AS variation,
        {{part:report_place}}
    FROM
    (
        SELECT
            campaign_id, user_key, instance_id, platform, day,
            min(if(type = 'qualified', 255,
                transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))) AS triple_stage,
            groupArrayIf(step, type = 'qualified') AS steps
        FROM
        (
            SELECT campaign_id, user_key, instance_id, platform, type, reason, step, {{part:report_day}}
            FROM {{events}}
            WHERE {{part:report_range}}
                AND (type IN ('removed', 'failed') OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})
        )
        GROUP BY campaign_id, user_key, instance_id, platform, day
    )
)
WHERE triple_stage > 0 OR step IN {device_steps:Array(String)}
GROUP BY slot, day, platform_key, step
