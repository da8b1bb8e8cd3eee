-- For which funnel steps do senders report survivors, on which days?
-- keys: campaign_id, day, step
-- sums: events
SELECT campaign_id, day, step, count() AS events
FROM
(
    SELECT campaign_id, step, {{part:report_day}}
    FROM {{raw_events}}
    WHERE {{part:report_range}} AND type = 'qualified' AND step NOT IN {entry_steps:Array(String)}
)
GROUP BY campaign_id, day, step
