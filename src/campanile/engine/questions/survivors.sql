-- Who was still in at a funnel step, where the sender reports survivors instead of removals?
--
-- Audience steps count (instance, user) pairs and users, without triples that never entered (stage 0: control groups,
-- nobody to reach); device steps count events and their users.
-- keys: target, platform_key, locale_key, variation_key, step
-- sums: total, uniques
SELECT target, platform_key, locale_key, variation_key, report.1 AS step,
    if(report.1 IN {device_steps:Array(String)}, count(), uniqExact(campaign_id, instance_id, user_key)) AS total,
    uniqExact(user_key) AS uniques
FROM
(
    SELECT
        arrayJoin({targets:Array(Array(UInt32))}[
            transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS target,
        if({by_platform:UInt8} = 1, platform, '') AS platform_key,
        user_key,
        campaign_id,
        instance_id,
        min(if(type = 'qualified', 255,
            transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))) AS triple_stage,
        groupArrayIf((step, locale, variation), type = 'qualified') AS reports
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND (type IN ('removed', 'failed') OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})
    GROUP BY target, platform, user_key, campaign_id, instance_id
)
ARRAY JOIN reports AS report
WHERE triple_stage > 0 OR report.1 IN {device_steps:Array(String)}
GROUP BY
    target, platform_key,
    if({by_locale:UInt8} = 1, report.2, '') AS locale_key,
    if({by_variation:UInt8} = 1, report.3, '') AS variation_key,
    step
