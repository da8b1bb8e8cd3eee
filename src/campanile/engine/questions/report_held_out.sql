-- How many (user, instance) pairs were held out, per campaign, day, control group and platform?
-- keys: slot, day, book, platform_key
-- sums: pairs
SELECT slot, day, book, platform_key, uniqExact(user_key, instance_id) AS pairs
FROM
(
    SELECT
        user_key, instance_id,
        toUInt8(indexOf({control_reasons:Array(String)}, reason)) AS book,
        {{part:report_member}},
        {{part:report_day}},
        arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot,
        if(bitTest(slot, 0), platform, '') AS platform_key
    FROM {{events}}
    WHERE {{part:report_range}} AND type = 'removed' AND reason IN {control_reasons:Array(String)}
)
GROUP BY slot, day, book, platform_key
