-- `funnel_depths` of one target, for every range of days at once; all rows up to the sequence `through` count.
--
-- A thing is a threshold: `total` counts the (instance, user) pairs that come at least as far, `uniques` their users. A
-- pair whose rows are spread over several days has no stage of its own for every range; the threshold `spread` counts
-- those, and a target that has some is not answered from here.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT cell, unit, day, 1 AS fresh,
        arrayJoin(arrayConcat(
            arrayFilter(threshold -> threshold <= stage, {thresholds:Array(UInt16)}),
            if(first_day = day, [], [{spread:UInt16}]))) AS thing
    FROM
    (
        SELECT cell, unit, campaign_id, instance_id,
            max(triple_stage) AS stage, max(last) AS day, min(first) AS first_day
        FROM
        (
            SELECT campaign_id, user_key AS unit, instance_id, triple_stage, first, last,
                arrayJoin(entries) AS entry, entry.1 AS locale, entry.2 AS variation,
                {{part:settled_cell}}
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
                WHERE (type IN ('removed', 'failed') OR type = 'qualified' AND step IN {entry_steps:Array(String)})
                    AND sequence <= {through:UInt64}
                    AND {{part:settled_concerned}}
                GROUP BY campaign_id, user_key, instance_id, platform
            )
        )
        GROUP BY cell, unit, campaign_id, instance_id
    ))
{{part:settled_days}}
