-- The platforms on which a (user, instance) pair was ever held out, per control group and what its campaign counts for.
SELECT
    user_key, instance_id, toUInt8(indexOf({control_reasons:Array(String)}, reason)) AS book,
    arrayJoin({slots:Array(Array(UInt32))}[
        transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0))]) AS slot,
    groupUniqArray(toString(platform)) AS platforms
FROM {{events}}
WHERE campaign_id IN {page:Array(String)} AND type = 'removed' AND reason IN {control_reasons:Array(String)}
GROUP BY user_key, instance_id, book, slot
