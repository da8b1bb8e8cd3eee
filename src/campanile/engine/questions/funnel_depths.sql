-- How far down the audience steps of the funnel do users come?
--
-- A triple (instance, user, platform) enters with a qualification and leaves at the smallest stage of its removals and
-- failures, whatever locale and variation those carry. In a node with several platforms a user comes as far as on the
-- best one, over several instances as far as in the best one. The answer is a histogram: how many (instance, user)
-- pairs and how many users reach which stage (metrics specification 1.4, 2.1, 3.7). Instances of different campaigns
-- are different instances, whatever their ids. Slots, levels and covered cells as in `counts`.
-- keys: slot, platform_key, locale_key, variation_key, stage
-- sums: total, uniques
SELECT slot, platform_key, locale_key, variation_key, reached.1 AS stage,
    sum(reached.2) AS total, sum(reached.3) AS uniques
FROM
(
    SELECT
        slot, platform_key, locale_key, variation_key, user_key,
        arrayJoin(arrayConcat(
            arrayMap(s -> (s, toUInt64(1), toUInt64(0)), groupArray(instance_stage)),
            [(max(instance_stage), toUInt64(0), toUInt64(1))])) AS reached
    FROM
    (
        SELECT slot, platform_key, locale_key, variation_key, user_key, campaign_id, instance_id,
            max(triple_stage) AS instance_stage
        FROM
        (
            SELECT
                campaign_id, user_key, instance_id, platform, triple_stage,
                arrayJoin(entries) AS entry,
                arrayJoin({slots:Array(Array(UInt32))}[
                    transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
                if(bitTest(slot, 0), platform, '') AS platform_key,
                if(bitTest(slot, 1), entry.1, '') AS locale_key,
                if(bitTest(slot, 2), entry.2, '') AS variation_key
            FROM
            (
                SELECT
                    campaign_id, user_key, instance_id, platform,
                    min(if(type = 'qualified', 255,
                        transform(reason, {reasons:Array(String)}, {stages:Array(UInt8)}, toUInt8(255)))
                    ) AS triple_stage,
                    groupUniqArrayIf((locale, variation,
                        if({outside:UInt8} = 0, '', toString(toDate(ts, {timezone:String})))),
                        type = 'qualified') AS entries
                FROM {{events}}
                WHERE campaign_id IN {campaigns:Array(String)}
                    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
                    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
                    AND (type IN ('removed', 'failed') OR type = 'qualified' AND step IN {entry_steps:Array(String)})
                GROUP BY campaign_id, user_key, instance_id, platform
            )
        )
        WHERE (NOT bitTest(slot, 1) OR entry.1 != '')
            AND (NOT bitTest(slot, 2) OR entry.2 != '')
            AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key,
                '\t', entry.3) NOT IN {covered:Array(String)})
        GROUP BY slot, platform_key, locale_key, variation_key, user_key, campaign_id, instance_id
    )
    GROUP BY slot, platform_key, locale_key, variation_key, user_key
)
GROUP BY slot, platform_key, locale_key, variation_key, stage
