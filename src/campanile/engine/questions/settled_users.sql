-- How many users does each metric of one target have, per cell, day and the day before on which they were active there
-- (0: none)? With that, the users of every range can be added up (docs/decisions/0011).
--
-- What is further back than the horizon, in milliseconds, is as good as never for ranges that are not longer.
--
-- Users with the same days are put together first: there are few histories.
-- keys: cell, thing, day, previous
-- sums: users
SELECT cell, thing, history.1 AS day,
    if(history.2 < day - {horizon:Int64}, toInt64(0), history.2) AS previous, sum(alike) AS users
FROM
(
    SELECT cell, thing, days, count() AS alike
    FROM
    (
        SELECT cell, thing, user_key, arraySort(groupUniqArray(day)) AS days
        FROM ({{part:settled_rows}})
        GROUP BY cell, thing, user_key
    )
    GROUP BY cell, thing, days
)
ARRAY JOIN arrayZip(days, arrayPushFront(arrayPopBack(days), toInt64(0))) AS history
GROUP BY cell, thing, day, previous
