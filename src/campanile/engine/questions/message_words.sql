-- The lower halves of all natural keys in a range, events without one left out; one row.
-- keys: words
SELECT groupArray(toUInt64(bitAnd(message_key, 18446744073709551615))) AS words
FROM {{raw_events}}
WHERE message_key BETWEEN greatest({first:UInt128}, 1) AND {last:UInt128}
