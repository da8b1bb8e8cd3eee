-- How often each metric of some targets happened, per cell and day, and to how many users who were active there before
-- on which day. Only what rows above the `marks` of the cells (none: 0) add to it.
-- keys: cell, thing, day, previous
-- sums: total, uniques
WITH happened AS (SELECT *, sequence > {marks:Array(UInt64)}[cell + 1] AS fresh FROM ({{part:settled_rows}}))
{{part:settled_days}}
