-- Touches that may earn a credit in the range, and hold-outs where their type is asked for.
--
-- `ranks` says per profile (what sort of campaign it is) and type what a touch is worth: 0 is none. Hold-outs carry
-- the number of their control group as `book`, touches 0; the books never compete. A root is the campaign that
-- reports: a parent for its children. An offer is what a root asks for under one event name.
SELECT
    user_key,
    toUnixTimestamp64Milli(ts) AS touch_at,
    transform(campaign_id, {campaigns:Array(String)}, {members:Array(UInt32)}, toUInt32(0)) AS member,
    {roots:Array(UInt32)}[member] AS root,
    toUInt8(if(type = 'removed', indexOf({control_reasons:Array(String)}, reason), 0)) AS book,
    if(platform = 'IOS', {ios_profiles:Array(UInt8)}[member], {profiles:Array(UInt8)}[member]) AS profile,
    if(type = 'removed', toUInt8(book > 0), {ranks:Array(Array(UInt8))}[profile][toUInt8(type)]) AS rank,
    if(book > 0 OR {bound:Array(UInt8)}[profile] = 0, toUInt8(0),
        transform(platform, {platforms:Array(String)}, {classes:Array(UInt8)}, toUInt8(0))) AS touch_class,
    arrayJoin({offers_of:Array(Array(UInt32))}[root]) AS offer,
    {offer_names:Array(UInt32)}[offer] AS touch_name,
    touch_at + if(book > 0, {offer_reaches:Array(Int64)}[offer],
        least({offer_reaches:Array(Int64)}[offer], {session:Int64})) AS touch_end,
    platform, locale, variation, instance_id, event_id
FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)}
    AND type IN {types:Array(String)}
    AND ts >= fromUnixTimestamp64Milli({start:Int64} - {reach:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND rank > 0
    AND NOT ({exclude_machine:UInt8} = 1 AND machine AND type != 'removed')
    AND user_key IN (
        SELECT user_key FROM {{raw_events}}
        WHERE campaign_id = '' AND type = 'custom' AND name IN {names:Array(String)}
            AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC'))
    AND ({bounded:UInt8} = 0 OR user_key IN (
        SELECT user_key FROM {{raw_events}}
        WHERE {bounded:UInt8} = 1 AND campaign_id IN {page:Array(String)} AND type IN {types:Array(String)}
            AND ts >= fromUnixTimestamp64Milli({start:Int64} - {reach:Int64}, 'UTC')
            AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')))
