-- Credited conversions of one target: level, node, goal (by number), who converted after which instance, the day, and
-- what it is worth. `slots` are the levels of the campaigns that count for it.
SELECT
    slot AS level, platform_key, locale_key, variation_key, won.1 AS thing, (user_key, carried[6]) AS unit,
    roundDown(converted_at, {days:Array(Int64)}) AS day, won.2 AS worth
FROM
(
    SELECT
        user_key, carried, converted_at,
        arrayJoin(goals) AS won,
        arrayJoin({slots:Array(Array(UInt32))}[credited_member]) AS slot,
        if(bitTest(slot, 0), carried[3], '') AS platform_key,
        if(bitTest(slot, 1), carried[4], '') AS locale_key,
        if(bitTest(slot, 2), carried[5], '') AS variation_key
    FROM ({{part:credits}})
    WHERE (NOT bitTest(slot, 1) OR locale_key != '') AND (NOT bitTest(slot, 2) OR variation_key != '')
)
