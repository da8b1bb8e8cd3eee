-- Every event behind the rows of a report: whose it is, and what it counts as.
SELECT
    user_key,
    {{part:report_member}},
    {{part:report_day}},
    {{part:row_class}} AS class
FROM {{events}}
WHERE {{part:report_range}} AND type IN {types:Array(String)}
