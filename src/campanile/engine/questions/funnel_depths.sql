-- How far down the audience steps of the funnel do users come?
--
-- A triple (instance, user, platform) enters with a qualification and leaves at the smallest stage of its removals and
-- failures, whatever locale and variation those carry. In a node with several platforms a user comes as far as on the
-- best one, over several instances as far as in the best one. The answer is a histogram: how many (instance, user)
-- pairs and how many users reach which stage (metrics specification 1.4, 2.1, 3.7). Instances of different campaigns
-- are different instances, whatever their ids.
-- keys: target, platform_key, locale_key, variation_key, stage
-- sums: total, uniques
SELECT target, platform_key, locale_key, variation_key, reached.1 AS stage,
    sum(reached.2) AS total, sum(reached.3) AS uniques
FROM
(
    SELECT
        target, platform_key, locale_key, variation_key, user_key,
        arrayJoin(arrayConcat(
            arrayMap(s -> (s, toUInt64(1), toUInt64(0)), groupArray(instance_stage)),
            [(max(instance_stage), toUInt64(0), toUInt64(1))])) AS reached
    FROM
    (
        SELECT target, platform_key, place.1 AS locale_key, place.2 AS variation_key, user_key, campaign_id, instance_id,
            max(triple_stage) AS instance_stage
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
                groupUniqArrayIf((locale_key, variation_key), type = 'qualified'
                    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t',
                        variation_key, '\t', toString(toDate(ts, {timezone:String}))) NOT IN {covered:Array(String)})
                ) AS places
            FROM
            (
                SELECT *, if({by_locale:UInt8} = 1, locale, '') AS locale_key,
                    if({by_variation:UInt8} = 1, variation, '') AS variation_key
                FROM {{events}}
            )
            WHERE campaign_id IN {campaigns:Array(String)}
                AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
                AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
                AND (type IN ('removed', 'failed') OR type = 'qualified' AND step IN {entry_steps:Array(String)})
            GROUP BY target, platform, user_key, campaign_id, instance_id
        )
        ARRAY JOIN places AS place
        GROUP BY target, platform_key, locale_key, variation_key, user_key, campaign_id, instance_id
    )
    GROUP BY target, platform_key, locale_key, variation_key, user_key
)
GROUP BY target, platform_key, locale_key, variation_key, stage
