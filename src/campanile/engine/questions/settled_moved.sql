-- Which of these campaigns have gained events or reported counts above a sequence?
--
-- Granules of old events end below it and are skipped by the index `by_sequence`.
-- keys: campaign_id, newest
SELECT campaign_id, max(sequence) AS newest
FROM
(
    SELECT campaign_id, sequence FROM {{raw_events}}
    WHERE campaign_id IN {campaigns:Array(String)} AND sequence > {mark:UInt64}
    UNION ALL
    SELECT campaign_id, sequence FROM {{snapshots}}
    WHERE campaign_id IN {campaigns:Array(String)} AND sequence > {mark:UInt64}
)
GROUP BY campaign_id
