-- How many (user, instance) pairs has each arm of a campaign's experiments: tried, sent to, seen, touched, held out?
--
-- `roles` says per profile (iOS apart, 2) and type what an event is, as bits: an attempt or its outcome (1), a send
-- (2), a view (4), a view or a click (8), any touch (16). A hold-out is all of them, in the book of its control group.
-- Pairs with a variation count for it and for '', all together.
-- keys: book, variation_key
-- sums: tried, sent, viewed, seen, touched
SELECT
    book, variation_key,
    uniqExactIf((user_key, instance_id), bitTest(role, 0)) AS tried,
    uniqExactIf((user_key, instance_id), bitTest(role, 1)) AS sent,
    uniqExactIf((user_key, instance_id), bitTest(role, 2)) AS viewed,
    uniqExactIf((user_key, instance_id), bitTest(role, 3)) AS seen,
    uniqExactIf((user_key, instance_id), bitTest(role, 4)) AS touched
FROM
(
    SELECT *, arrayJoin(if(book > 0 OR variation = '', [''], ['', variation])) AS variation_key
    FROM ({{part:experiment_roles}})
)
GROUP BY book, variation_key
