-- The users of `settled_counts`, of a target that is read for the first time and has events on at most 64 days: a user's
-- days are the bits of one number, which is several times cheaper than a list per user.
-- keys: cell, thing, day, previous
-- sums: users
SELECT cell, thing, history.1 AS day,
    if(history.2 < day - {horizon:Int64}, toInt64(0), history.2) AS previous, sum(alike) AS users
FROM
(
    SELECT cell, thing, arrayMap(bit -> {days:Array(Int64)}[bit + 1], bitPositionsToArray(mask)) AS active, alike
    FROM
    (
        SELECT cell, thing, mask, count() AS alike
        FROM
        (
            SELECT cell, thing, unit,
                groupBitOr(bitShiftLeft(toUInt64(1),
                    transform(day, {days:Array(Int64)}, {bits:Array(UInt8)}, toUInt8(0)))) AS mask
            FROM ({{part:settled_rows}})
            GROUP BY cell, thing, unit
        )
        GROUP BY cell, thing, mask
    )
)
ARRAY JOIN arrayZip(active, arrayPushFront(arrayPopBack(active), toInt64(0))) AS history
GROUP BY cell, thing, day, previous
