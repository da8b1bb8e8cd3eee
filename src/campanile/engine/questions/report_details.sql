-- How did messages travel, and what was clicked, per row of a report?
--
-- Messages of an RCS campaign travel as RCS unless they say that they fell back to SMS. Clicks without a link are on
-- suggestions. Pushes that a second service delivered name it as their source.
-- keys: slot, day, platform_key, locale_key, variation_key, detail
-- sums: total
SELECT slot, day, platform_key, locale_key, variation_key, detail, count() AS total
FROM
(
    SELECT
        {{part:report_member}}, {{part:report_day}}, {{part:report_place}},
        if(lowerUTF8(transport) = 'sms', 'sms_', 'rcs_') AS carrier,
        arrayJoin(arrayConcat(
            if(source = 'push_amplification', [concat('amplified_', toString(type))], []),
            if(type = 'click', [if(link = '', 'suggestion_click', 'url_click')], []),
            if(type IN ('sent', 'delivered'), [concat(carrier, toString(type))], []),
            if({implied:Array(UInt8)}[member] = 1 AND type IN ('sent', 'failed')
                OR {implied:Array(UInt8)}[member] = 0 AND type = 'attempted', [concat(carrier, 'attempted')], [])
        )) AS detail
    FROM {{events}}
    WHERE {{part:report_range}} AND type IN ('attempted', 'sent', 'failed', 'delivered', 'impression', 'click')
)
WHERE detail IN {details:Array(String)}
GROUP BY slot, day, platform_key, locale_key, variation_key, detail
