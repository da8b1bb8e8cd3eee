-- Which of these campaigns have gained events or reported counts above a sequence, and which events of these names, that
-- belong to no campaign, have come?
--
-- Granules of old events end below it and are skipped by the index `by_sequence`.
-- keys: campaign_id, name, newest
SELECT campaign_id, name, max(sequence) AS newest
FROM
(
    SELECT campaign_id, if(campaign_id = '', name, '') AS name, sequence FROM {{raw_events}}
    WHERE (campaign_id IN {campaigns:Array(String)} OR campaign_id = '' AND name IN {names:Array(String)})
        AND sequence > {mark:UInt64}
    UNION ALL
    SELECT campaign_id, '' AS name, sequence FROM {{snapshots}}
    WHERE campaign_id IN {campaigns:Array(String)} AND sequence > {mark:UInt64}
)
GROUP BY campaign_id, name
