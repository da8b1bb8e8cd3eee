-- Which conversions did senders report as already attributed, per goal, target campaign and node?
--
-- Unique counts (user, instance) pairs: a user who converts after two instances converted twice (conversions
-- specification 6). Revenue is the plain sum. Slots, levels and covered cells as in `counts`.
-- keys: slot, platform_key, locale_key, variation_key, goal
-- sums: total, uniques, paid
SELECT
    slot, platform_key, locale_key, variation_key, goal,
    count() AS total,
    uniqExact(instance_id, user_key) AS uniques,
    sum(ifNull(revenue, toDecimal64(0, 4))) AS paid
FROM
(
    SELECT
        campaign_id, platform, locale, variation, ts, user_key, instance_id, goal, revenue,
        arrayJoin({slots:Array(Array(UInt32))}[
            transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
        if(bitTest(slot, 0), platform, '') AS platform_key,
        if(bitTest(slot, 1), locale, '') AS locale_key,
        if(bitTest(slot, 2), variation, '') AS variation_key
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND type = 'conversion' AND attribution = {attribution:String}
)
WHERE (NOT bitTest(slot, 1) OR locale != '')
    AND (NOT bitTest(slot, 2) OR variation != '')
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
        toString(toDate(ts, {timezone:String})), '\t', goal) NOT IN {covered:Array(String)})
GROUP BY slot, platform_key, locale_key, variation_key, goal
