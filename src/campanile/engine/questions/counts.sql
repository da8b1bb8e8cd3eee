-- How many events and how many different users does each metric have, per target campaign and node?
--
-- One call answers one level of the tree: a dimension that is switched off is rolled up under ''. A campaign's events
-- count for every target it belongs to (itself, its parent); an event counts for every metric of its row class.
-- Users are distinct over the whole range and node (metrics specification 3.2).
-- keys: target, platform, locale, variation, metric
-- sums: total, uniques
SELECT
    arrayJoin(arrayElement({targets:Array(Array(UInt32))}, member)) AS target,
    if({by_platform:UInt8} = 1, platform, '') AS platform,
    if({by_locale:UInt8} = 1, locale, '') AS locale,
    if({by_variation:UInt8} = 1, variation, '') AS variation,
    metric,
    count() AS total,
    uniqExact(user_key) AS uniques
