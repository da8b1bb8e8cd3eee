-- Who was still in at a funnel step, where the sender reports survivors instead of removals?
--
-- Audience steps count (instance, user) pairs and users, without triples that never entered (stage 0: control groups,
-- nobody to reach); device steps count events and their users. Slots and levels as in `counts`.
-- keys: slot, platform_key, locale_key, variation_key, step
-- sums: total, uniques
SELECT slot, platform_key, locale_key, variation_key, report.1 AS step,
    if(step IN {device_steps:Array(String)}, count(), uniqExact(campaign_id, instance_id, user_key)) AS total,
    uniqExact(user_key) AS uniques
FROM
(
    SELECT
        campaign_id, user_key, instance_id, triple_stage,
        arrayJoin(reports) AS report,
        arrayJoin({slots:Array(Array(UInt32))}[
            transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
        if(bitTest(slot, 0), platform, '') AS platform_key,
        if(bitTest(slot, 1), report.2, '') AS locale_key,
        if(bitTest(slot, 2), report.3, '') AS variation_key
    FROM
    (
        SELECT
            campaign_id, user_key, instance_id, platform,
            min(if(type = 'qualified', 255,
                transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))) AS triple_stage,
            groupArrayIf((step, locale, variation), type = 'qualified') AS reports
        FROM {{events}}
        WHERE campaign_id IN {campaigns:Array(String)}
            AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
            AND (type IN ('removed', 'failed') OR type = 'qualified' AND step NOT IN {entry_steps:Array(String)})
        GROUP BY campaign_id, user_key, instance_id, platform
    )
)
WHERE (triple_stage > 0 OR report.1 IN {device_steps:Array(String)})
    AND (NOT bitTest(slot, 1) OR report.2 != '')
    AND (NOT bitTest(slot, 2) OR report.3 != '')
GROUP BY slot, platform_key, locale_key, variation_key, step
