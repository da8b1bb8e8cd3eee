-- As `report_classes`, for rows that keep platforms, locales or variations apart.
-- keys: slot, day, platform_key, locale_key, variation_key, class
-- sums: total, uniques
SELECT
    slot, day, platform_key, locale_key, variation_key, class,
    count() AS total, uniqExactIf(user_key, class IN {people:Array(UInt16)}) AS uniques
FROM
(
    SELECT
        user_key,
        {{part:report_member}},
        {{part:report_day}},
        {{part:report_place}},
        {{part:row_class}} AS class
    FROM {{events}}
    WHERE {{part:report_range}} AND type IN {types:Array(String)}
)
GROUP BY slot, day, platform_key, locale_key, variation_key, class
