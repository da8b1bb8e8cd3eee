-- `settled_places` of one target that is read for the first time: nothing is looked up per row, which is a third cheaper.
-- keys: target, platform, locale, variation, day, first, last, oldest, newest, rows, events, failures, qualifications, survivors, conversions
SELECT
    toUInt32(1) AS target, platform, locale, variation,
    {{part:settled_kinds}}
FROM {{raw_events}}
WHERE campaign_id IN {campaigns:Array(String)}
GROUP BY platform, locale, variation, day
UNION ALL
SELECT
    toUInt32(1) AS target, '', '', '', toInt64(-1), toInt64(0), toInt64(0), min(sequence), max(sequence),
    count(), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0)
FROM {{snapshots}}
WHERE campaign_id IN {campaigns:Array(String)}
HAVING count() > 0
