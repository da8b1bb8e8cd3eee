-- The cells (nodes of targets, by number from 0) that something at a place counts for. `cells` lists those of each place
-- (platform, locale, variation) of a family: campaigns that count for the same targets. With one family only, `apart` is
-- 0 and the campaign is not looked at.
arrayJoin({cells:Array(Array(UInt32))}[transform(
    concat(
        if({apart:UInt8} = 1, toString(
            transform(campaign_id, {campaigns:Array(String)}, {families:Array(UInt32)}, toUInt32(0))), ''),
        '\t', platform, '\t', locale, '\t', variation),
    {places:Array(String)}, {numbers:Array(UInt32)}, toUInt32(0))]) AS cell
