-- Events of the range that may fulfil a goal: who, when, which conditions hold, what they are worth.
--
-- `names` are the event names of the goals in question. Revenue paths are numbered from 1 and evaluated once per event,
-- whichever goals share them; `paths_of` lists them per name. Lists on a path and at its end are looked into, one level
-- deep; null is no value. The path `revenue` falls back to the event's own revenue. `bounded`: only people with a touch
-- of `page` matter.
WITH
    raws -> arrayFilter(raw -> raw NOT IN ('', 'null'), arrayFlatten(
        arrayMap(raw -> if(startsWith(raw, '['), JSONExtractArrayRaw(raw), [raw]), raws))) AS spread,
    (raw, path) -> spread(arrayFold(
        (found, key) -> arrayMap(outer -> JSONExtractRaw(outer, key), spread(found)), path, [raw])) AS values_at,
    raw -> if(startsWith(raw, '"'), JSONExtractString(raw), raw) AS text_of,
    raw -> extract(text_of(raw), '^ *([+-]?[0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?) *$') AS digits_of,
    raws -> arraySum(money -> if(abs(money) <= 1000000000000, roundBankers(money, 4), toDecimal128(0, 10)),
        arrayMap(raw -> toDecimal128OrZero(digits_of(raw), 10), raws)) AS worth_of
SELECT
    user_key AS hit_user,
    event_key,
    toUnixTimestamp64Milli(ts) AS hit_at,
    toUInt32(indexOf({names:Array(String)}, name)) AS hit_name,
    transform(if(platform IN ('', 'UNKNOWN'), device_platform, platform),
        {platforms:Array(String)}, {classes:Array(UInt8)}, toUInt8(0)) AS hit_class,
    {{part:conditions}} AS passed,
    arrayMap(path -> toDecimal128(worth_of(if(
            {paths:Array(Array(String))}[path] = ['revenue'] AND JSONExtractRaw(attributes, 'revenue') IN ('', 'null'),
            [ifNull(toString(revenue), '')], values_at(attributes, {paths:Array(Array(String))}[path]))), 4),
        {paths_of:Array(Array(UInt32))}[hit_name]) AS amounts
FROM {{events}}
WHERE campaign_id = '' AND type = 'custom' AND name IN {names:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND ({bounded:UInt8} = 0 OR user_key IN (
        SELECT user_key FROM {{raw_events}}
        WHERE {bounded:UInt8} = 1 AND campaign_id IN {page:Array(String)} AND type IN {types:Array(String)}
            AND ts >= fromUnixTimestamp64Milli({start:Int64} - {reach:Int64}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')))
