-- How many (user, instance) pairs of each arm of a campaign's experiments converted, per goal?
--
-- A cohort: the credited touch, or hold-out, lies in [cohort_start, cohort_end), the conversion wherever its window
-- reaches; `start` and `end` span both. `asked` are the numbers of the campaign and its runs. Pairs with a variation
-- count for it and for '', all together.
-- keys: book, variation_key, goal
-- sums: converted
SELECT book, variation_key, goal, uniqExact(user_key, instance_id) AS converted
FROM
(
    SELECT
        user_key, carried[6] AS instance_id, book, arrayJoin(goals).1 AS goal,
        arrayJoin(if(book > 0 OR carried[5] = '', [''], ['', carried[5]])) AS variation_key
    FROM ({{part:credits}})
    WHERE has({asked:Array(UInt32)}, credited_member)
        AND credited_at >= {cohort_start:Int64} AND credited_at < {cohort_end:Int64}
)
GROUP BY book, variation_key, goal
