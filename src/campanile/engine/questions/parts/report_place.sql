-- The rows an event counts for: slots as in `counts`. A line feed stands for events without a locale or variation in
-- rows that keep those apart; '' for all together.
arrayJoin({slots:Array(Array(UInt32))}[member]) AS slot,
if(bitTest(slot, 0), platform, '') AS platform_key,
if(bitTest(slot, 1), if(locale = '', '\n', locale), '') AS locale_key,
if(bitTest(slot, 2), if(variation = '', '\n', variation), '') AS variation_key
