-- How many different people belong to which arms of a campaign's experiments?
--
-- `arms` are bits: sent to (1), held out by the campaign (2), held out by the global control group (4).
-- keys: arms
-- sums: people
SELECT arms, count() AS people
FROM
(
    SELECT user_key, groupBitOr(toUInt8(bitShiftLeft(toUInt8(1), book))) AS arms
    FROM ({{part:experiment_roles}})
    WHERE bitTest(role, 1)
    GROUP BY user_key
)
GROUP BY arms
