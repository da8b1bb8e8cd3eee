-- How many events does each metric of one target have, per cell and day?
-- keys: cell, thing, day
-- sums: total
SELECT cell, thing, day, count() AS total
FROM ({{part:settled_rows}})
GROUP BY cell, thing, day
