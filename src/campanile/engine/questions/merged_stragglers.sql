-- Which users got events under their own id after they had been merged into others?
-- keys: user_id
SELECT DISTINCT user_id
FROM {{raw_events}} AS e
INNER JOIN (SELECT user_key, max(sequence) AS merged_at FROM {{aliases}} GROUP BY user_key) AS a
    ON a.user_key = e.user_key
WHERE e.type != 'user_merge' AND e.sequence > a.merged_at AND e.merged = 0
