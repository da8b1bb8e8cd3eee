-- Which of the conditions that goals put on an event's attributes does the event fulfil?
--
-- Conditions are numbered from 1 and evaluated once per event, whichever goals share them; `conditions_of` lists them
-- per event name. A condition looks at the elements its path leads to (no path: the event itself) and wants as many of
-- its tests as it needs to hold in one of them; a test holds when one value under its path passes.
arrayFilter(
    condition -> {condition_negations:Array(UInt8)}[condition] != arrayExists(
        element -> {condition_needs:Array(UInt32)}[condition] <= arrayCount(
            test -> {test_negations:Array(UInt8)}[test] != arrayExists(
                raw -> multiIf(
                    {test_kinds:Array(String)}[test] = 'number',
                        arrayExists(
                            (low, high) -> ifNull(toFloat64OrNull(digits_of(raw)) BETWEEN low AND high, 0),
                            {test_lows:Array(Array(Float64))}[test], {test_highs:Array(Array(Float64))}[test]),
                    {test_kinds:Array(String)}[test] = 'time',
                        match(raw, '^"[0-9]{4}-[0-9]{2}-[0-9]{2}') AND arrayExists(
                            (low, high) -> ifNull(toFloat64(toUnixTimestamp64Milli(
                                parseDateTime64BestEffortOrNull(text_of(raw), 3, 'UTC'))) BETWEEN low AND high, 0),
                            {test_lows:Array(Array(Float64))}[test], {test_highs:Array(Array(Float64))}[test]),
                    {test_kinds:Array(String)}[test] = 'text',
                        raw NOT IN ('true', 'false') AND NOT startsWith(raw, '{') AND arrayExists(
                            pattern -> like(
                                if({test_folds:Array(UInt8)}[test] = 1, lowerUTF8(text_of(raw)), text_of(raw)),
                                pattern),
                            {test_texts:Array(Array(String))}[test]),
                    {test_kinds:Array(String)}[test] = 'exists' OR has({test_texts:Array(Array(String))}[test], raw)),
                values_at(element, {test_paths:Array(Array(String))}[test])),
            {condition_tests:Array(Array(UInt32))}[condition]),
        if(empty({condition_paths:Array(Array(String))}[condition]), [attributes],
            values_at(attributes, {condition_paths:Array(Array(String))}[condition]))),
    {conditions_of:Array(Array(UInt32))}[hit_name])
