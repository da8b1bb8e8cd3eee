-- From what happened per cell, thing and unit (whoever counts once) on which days, to integers that answer for every
-- range of days.
--
-- Needs the columns cell, thing, unit, day and fresh of every row. Per day and unit the day before on which the unit was
-- active in the same cell goes along (0: none), so the distinct units of a range are those active in it whose day before
-- lies outside (docs/decisions/0011). Units with the same days are put together first: there are few histories. What is
-- further back than the horizon, in milliseconds, is as good as never for ranges that are not longer.
--
-- What changes by the fresh rows is told: the integers of everybody concerned with them, less those without.
SELECT
    cell, thing,
    history.1 AS day, if(history.2 < day - {horizon:Int64}, toInt64(0), history.2) AS previous,
    sum(history.3) AS total, sum(history.4) AS uniques
FROM
(
    SELECT cell, thing,
        arrayConcat(
            arrayMap((active, place, events) ->
                (active, if(place = 1, toInt64(0), days[place - 1]), toInt64(events), toInt64(units)),
                days, arrayEnumerate(days), totals),
            arrayMap((active, place) ->
                (active, if(place = 1, toInt64(0), before[place - 1]), toInt64(0), -toInt64(units)),
                before, arrayEnumerate(before))) AS histories
    FROM
    (
        SELECT cell, thing, days, before, sumForEach(news) AS totals, count() AS units
        FROM
        (
            SELECT cell, thing, unit,
                sumMap([day], [toUInt64(1)], [toUInt64(fresh)]) AS activity,
                activity.1 AS days, activity.3 AS news,
                arrayFilter((active, events, added) -> events > added, days, activity.2, news) AS before
            FROM happened
            GROUP BY cell, thing, unit
        )
        GROUP BY cell, thing, days, before
    )
)
ARRAY JOIN histories AS history
GROUP BY cell, thing, day, previous
HAVING total != 0 OR uniques != 0
