-- `funnel_depths` of one target, for every range of days at once.
--
-- A thing is a threshold: `total` counts the (instance, user) pairs that come at least as far, `uniques` their users. A
-- pair whose rows are spread over several days has no stage of its own for every range; the threshold `spread` counts
-- those, and a target that has some is not answered from here.
-- keys: level, platform_key, locale_key, variation_key, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT level, platform_key, locale_key, variation_key, unit, day,
        arrayJoin(arrayConcat(
            arrayFilter(threshold -> threshold <= stage, {thresholds:Array(UInt16)}),
            if(first_day = day, [], [{spread:UInt16}]))) AS thing
    FROM
    (
        SELECT level, platform_key, locale_key, variation_key, user_key AS unit, campaign_id, instance_id,
            max(triple_stage) AS stage, max(last) AS day, min(first) AS first_day
        FROM
        (
            SELECT campaign_id, user_key, instance_id, triple_stage, first, last,
                arrayJoin(entries) AS entry,
                arrayJoin({levels:Array(UInt8)}) AS level,
                if(bitTest(level, 0), platform, '') AS platform_key,
                if(bitTest(level, 1), entry.1, '') AS locale_key,
                if(bitTest(level, 2), entry.2, '') AS variation_key
            FROM
            (
                SELECT
                    campaign_id, user_key, instance_id, platform,
                    min(if(type = 'qualified', 255,
                        transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))
                    ) AS triple_stage,
                    min(roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)})) AS first,
                    max(roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)})) AS last,
                    groupUniqArrayIf((locale, variation), type = 'qualified') AS entries
                FROM {{events}}
                WHERE campaign_id IN {campaigns:Array(String)}
                    AND (type IN ('removed', 'failed') OR type = 'qualified' AND step IN {entry_steps:Array(String)})
                GROUP BY campaign_id, user_key, instance_id, platform
            )
        )
        WHERE (NOT bitTest(level, 1) OR locale_key != '')
            AND (NOT bitTest(level, 2) OR variation_key != '')
        GROUP BY level, platform_key, locale_key, variation_key, unit, campaign_id, instance_id
    ))
{{part:settled_days}}
