-- From what happened per node, thing and user on which days, to integers that answer for every range of days.
--
-- Needs the columns level, platform_key, locale_key, variation_key, thing, unit (whoever counts once) and day of every
-- row. Per day and unit the day before on which the unit was active in the same node goes along (0: none), so the
-- distinct units of a range are those active in it whose day before lies outside (docs/decisions/0011). Units with the
-- same days are put together first: there are few histories. What is further back than the horizon, in milliseconds, is
-- as good as never for ranges that are not longer.
SELECT
    level, platform_key, locale_key, variation_key, thing,
    history.1 AS day, if(history.2 < day - {horizon:Int64}, toInt64(0), history.2) AS previous,
    sum(history.3) AS total, sum(units) AS uniques
FROM
(
    SELECT level, platform_key, locale_key, variation_key, thing, days, sumForEach(events) AS totals, count() AS units
    FROM
    (
        SELECT level, platform_key, locale_key, variation_key, thing, unit,
            sumMap([day], [toUInt64(1)]) AS activity, activity.1 AS days, activity.2 AS events
        FROM happened
        GROUP BY level, platform_key, locale_key, variation_key, thing, unit
    )
    GROUP BY level, platform_key, locale_key, variation_key, thing, days
)
ARRAY JOIN arrayZip(days, arrayPushFront(arrayPopBack(days), toInt64(0)), totals) AS history
GROUP BY level, platform_key, locale_key, variation_key, thing, day, previous
