-- Credited conversions of control groups, with what they are worth: for all platforms together, and for each.
--
-- A hold-out is the touch. Books are 1 for the campaign's control group and 2 for the global one. On one platform
-- count the conversions of (user, instance) pairs that were ever held out there (conversions specification 8.4).
SELECT
    c.user_key AS user_key, c.instance_id AS instance_id, c.book AS book, c.won AS won, c.slot AS slot,
    c.converted_at AS converted_at,
    arrayJoin(if(bitTest(c.slot, 0), p.platforms, [''])) AS platform_key
FROM
(
    SELECT user_key, carried[6] AS instance_id, converted_at, book, arrayJoin(goals) AS won,
        arrayJoin({slots:Array(Array(UInt32))}[credited_member]) AS slot
    FROM ({{part:credits}})
) AS c
LEFT JOIN ({{part:held_platforms}}) AS p
    ON p.user_key = c.user_key AND p.instance_id = c.instance_id AND p.book = c.book AND p.slot = c.slot
