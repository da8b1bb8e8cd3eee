-- How many different people, and (user, instance) pairs, belong to which arms of a campaign's experiments?
--
-- `arms` are bits: sent to (1), held out by the campaign (2), held out by the global control group (4).
-- keys: paired, arms
-- sums: members
SELECT paired, arms, count() AS members
FROM
(
    SELECT
        user_key, arrayJoin([(0, ''), (1, instance_id)]) AS who, toUInt8(who.1) AS paired,
        groupBitOr(toUInt8(bitShiftLeft(toUInt8(1), book))) AS arms
    FROM ({{part:experiment_roles}})
    WHERE bitTest(role, 1)
    GROUP BY user_key, who
)
GROUP BY paired, arms
