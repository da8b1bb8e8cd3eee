-- Credits of conversions in the range: one row per event, book and winner, with what the credit carries.
--
-- The winner of an event is the greatest qualifying touch: by rank, then time, then order of the campaigns, then event
-- id. With `last` all campaigns compete for an event, without it each root decides alone; then the rank is the same
-- for all touches, so the latest wins. `credit` is one text whose order is the order of touches: 8 bytes rank and time,
-- 4 bytes root, event id; behind them what the credit carries. Duplicates of events and touches change nothing.
--
-- `goals` are the goals of the root that the winner earns, each with its revenue. A root's latest touch decides all of
-- them: where it is outside of a goal's window, every earlier one is too.
SELECT
    user_key, event_key, book, max(hit_at) AS converted_at,
    max(concat(
        reinterpretAsFixedString(byteSwap(bitShiftLeft(toUInt64(rank), 56) + bitShiftLeft(toUInt64(touch_at), 8))),
        reinterpretAsFixedString(byteSwap(root)), event_id, '\t', toString(member), '\t', platform, '\t', locale, '\t',
        variation, '\t', instance_id, reinterpretAsFixedString(offer))) AS credit,
    toInt64(bitAnd(bitShiftRight(byteSwap(reinterpretAsUInt64(substring(credit, 1, 8))), 8), 281474976710655)
        ) AS credited_at,
    splitByChar('\t', substring(credit, 13, length(credit) - 16)) AS carried,
    toUInt32(carried[2]) AS credited_member,
    reinterpretAsUInt32(substring(credit, -4)) AS credited_offer,
    arrayFilter(won -> won.1 > 0, arrayMap(
        (goal, window, condition, path) -> (
            if(converted_at - credited_at <= if(book > 0, window, least(window, {session:Int64}))
                AND (condition = 0 OR has(any(passed), condition)), goal, 0),
            if(path = 0, toDecimal128(0, 4), any(amounts)[indexOf({paths_of:Array(Array(UInt32))}[any(hit_name)], path)])),
        {offer_goals:Array(Array(UInt32))}[credited_offer], {offer_windows:Array(Array(Int64))}[credited_offer],
        {offer_conditions:Array(Array(UInt32))}[credited_offer], {offer_paths:Array(Array(UInt32))}[credited_offer]
    )) AS goals
FROM ({{part:touches}}) AS t
INNER JOIN ({{part:goal_hits}}) AS h
    ON h.hit_user = t.user_key AND h.hit_name = t.touch_name AND h.hit_at >= t.touch_at AND h.hit_at <= t.touch_end
WHERE (touch_class = 0 OR hit_class = 0 OR touch_class = hit_class)
    AND arrayExists(
        (window, condition) -> h.hit_at - t.touch_at <= window AND (condition = 0 OR has(passed, condition)),
        {offer_windows:Array(Array(Int64))}[offer], {offer_conditions:Array(Array(UInt32))}[offer])
GROUP BY user_key, event_key, book, if({last:UInt8} = 1, toUInt32(0), root)
