-- Why were messages not sent or not delivered? Events and users per reason, target campaign and node.
-- Slots, levels and covered cells as in `counts`.
-- keys: slot, platform_key, locale_key, variation_key, reason
-- sums: total, uniques
SELECT slot, platform_key, locale_key, variation_key, reason, count() AS total, uniqExact(user_key) AS uniques
FROM
(
    SELECT
        campaign_id, platform, locale, variation, ts, user_key, reason,
        arrayJoin({slots:Array(Array(UInt32))}[
            transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
        if(bitTest(slot, 0), platform, '') AS platform_key,
        if(bitTest(slot, 1), locale, '') AS locale_key,
        if(bitTest(slot, 2), variation, '') AS variation_key
    FROM {{events}}
    WHERE campaign_id IN {campaigns:Array(String)}
        AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND type IN ('failed', 'undelivered', 'removed')
)
WHERE (NOT bitTest(slot, 1) OR locale != '')
    AND (NOT bitTest(slot, 2) OR variation != '')
    AND ({outside:UInt8} = 0 OR concat(campaign_id, '\t', platform, '\t', locale_key, '\t', variation_key, '\t',
        toString(toDate(ts, {timezone:String})), '\t', reason) NOT IN {covered:Array(String)})
GROUP BY slot, platform_key, locale_key, variation_key, reason
