-- The rows an event counts for: slots as in `counts`. A line feed stands for events without a locale or variation in
-- rows that keep those apart; '' for all together. What no slot keeps apart is a constant: it costs nothing to group by.
arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot,
if(arrayExists(places -> arrayExists(place -> bitTest(place, 0), places), {slots:Array(Array(UInt32))})
    AND bitTest(slot, 0), platform, '') AS platform_key,
if(arrayExists(places -> arrayExists(place -> bitTest(place, 1), places), {slots:Array(Array(UInt32))})
    AND bitTest(slot, 1), if(locale = '', '\n', locale), '') AS locale_key,
if(arrayExists(places -> arrayExists(place -> bitTest(place, 2), places), {slots:Array(Array(UInt32))})
    AND bitTest(slot, 2), if(variation = '', '\n', variation), '') AS variation_key
