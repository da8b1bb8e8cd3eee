-- `settled_counts` of a target that is read for the first time and has events on few days: how often something happened
-- to a user on each day are the bytes of one number, which is several times cheaper than lists per user. Where that was
-- more often than a byte can hold, `crowded` is not 0 and nothing of the answer counts.
--
-- `lanes` are the places of the days in that number, of the type `wide`, in bits.
-- keys: cell, thing, day, previous
-- sums: total, uniques, crowded
SELECT cell, thing, history.1 AS day,
    if(history.2 < day - {horizon:Int64}, toInt64(0), history.2) AS previous,
    sum(history.3 * alike) AS total, sum(alike) AS uniques, sum(many) AS crowded
FROM
(
    SELECT cell, thing, alike, many,
        arrayMap(lane -> toInt64(bitAnd(bitShiftRight(packed, lane), 255)), {lanes:Array(UInt8)}) AS often,
        arrayFilter((start, events) -> events > 0, {days:Array(Int64)}, often) AS active,
        arrayFilter(events -> events > 0, often) AS totals
    FROM
    (
        SELECT cell, thing, packed, toInt64(count()) AS alike, countIf(events > 255) AS many
        FROM
        (
            SELECT cell, thing, unit, count() AS events,
                sum(bitShiftLeft(CAST(1, {wide:String}),
                    transform(day, {days:Array(Int64)}, {lanes:Array(UInt8)}, toUInt8(0)))) AS packed
            FROM ({{part:settled_rows}})
            GROUP BY cell, thing, unit
        )
        GROUP BY cell, thing, packed
    )
)
ARRAY JOIN arrayZip(active, arrayPushFront(arrayPopBack(active), toInt64(0)), totals) AS history
GROUP BY cell, thing, day, previous
