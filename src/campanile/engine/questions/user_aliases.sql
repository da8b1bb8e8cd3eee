-- Which users have been merged into others after a sequence? A merge under way is among them.
-- keys: sequence, user_id, to_user_id
SELECT DISTINCT sequence, user_id, to_user_id FROM {{aliases}} WHERE sequence > {after:UInt64}
