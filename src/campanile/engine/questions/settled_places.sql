-- Where and when has something happened to some targets since their marks: rows by place and day, the kinds of rows as
-- `dimensions` counts them, between which instants and sequences. Counts reported as numbers stand under the
-- day -1.
--
-- `targets` lists what the events of each campaign count for, by number from 1. Granules of old events end below the
-- lowest of the marks, `since`, and are skipped by the index `by_sequence`.
-- keys: target, platform, locale, variation, day, first, last, oldest, newest, rows, events, failures, qualifications, survivors, conversions
SELECT
    target, platform, locale, variation,
    {{part:settled_kinds}}
FROM
(
    SELECT platform, locale, variation, ts, type, step, sequence,
        arrayJoin({targets:Array(Array(UInt32))}[if({apart:UInt8} = 1,
            transform(campaign_id, {campaigns:Array(String)}, {families:Array(UInt32)}, toUInt32(0)), 1)]) AS target
    FROM {{raw_events}}
    WHERE campaign_id IN {campaigns:Array(String)} AND sequence > {since:UInt64}
)
WHERE sequence > {marks:Array(UInt64)}[target]
GROUP BY target, platform, locale, variation, day
UNION ALL
SELECT
    arrayJoin({targets:Array(Array(UInt32))}[if({apart:UInt8} = 1,
        transform(campaign_id, {campaigns:Array(String)}, {families:Array(UInt32)}, toUInt32(0)), 1)]) AS target,
    '', '', '', toInt64(-1), toInt64(0), toInt64(0), min(sequence), max(sequence),
    count(), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0)
FROM {{snapshots}}
WHERE campaign_id IN {campaigns:Array(String)}
GROUP BY target
