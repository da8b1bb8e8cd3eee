-- Which campaigns have an event in the range, how many are there, and when were the first and the last one?
--
-- Every shard tells of its own events. Messages that are put off make a campaign active, but no row of a day.
-- The log is sorted by campaigns: one after the other needs no table of all of them.
-- keys: campaign_id, events, first, last
SELECT campaign_id, events, first, last
FROM
(
    SELECT
        campaign_id,
        countIf(type != 'deferred') AS events,
        toUnixTimestamp64Milli(minIf(ts, type != 'deferred')) AS first,
        toUnixTimestamp64Milli(maxIf(ts, type != 'deferred')) AS last
    FROM {{raw_events}}
    WHERE ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
        AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
        AND campaign_id != ''
        AND type NOT IN ('uninstall', 'custom', 'user_merge')
    GROUP BY campaign_id
    SETTINGS optimize_aggregation_in_order = 1
)
