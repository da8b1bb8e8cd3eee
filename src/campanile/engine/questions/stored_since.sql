-- What has been stored after a sequence that may change the numbers of some campaigns? How many rows, and a checksum.
--
-- Events without a campaign count where they merge users or one of `names` is their name. Granules that end before the
-- sequence are not read.
-- keys:
-- sums: rows, checksum
SELECT count() AS rows, sum(sequence) AS checksum
FROM
(
    SELECT sequence FROM {{raw_events}}
    WHERE sequence > {since:UInt64}
        AND (campaign_id IN {campaigns:Array(String)}
            OR campaign_id = '' AND (type = 'user_merge' OR type = 'custom' AND name IN {names:Array(String)}))
    UNION ALL
    SELECT sequence FROM {{snapshots}} WHERE sequence > {since:UInt64} AND campaign_id IN {campaigns:Array(String)}
)
