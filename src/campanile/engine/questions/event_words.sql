-- The lower halves of all event keys in a range; one row, so that millions of them arrive as one array.
-- keys: words
SELECT groupArray(toUInt64(bitAnd(event_key, 18446744073709551615))) AS words
FROM {{raw_events}}
WHERE event_key BETWEEN {first:UInt128} AND {last:UInt128}
