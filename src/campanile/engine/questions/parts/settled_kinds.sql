-- Of rows at a place: the day as the instant it starts, between which instants and sequences they are, how many, and how
-- many of each kind.
roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day,
toUnixTimestamp64Milli(min(ts)) AS first,
toUnixTimestamp64Milli(max(ts)) AS last,
min(sequence) AS oldest,
max(sequence) AS newest,
count() AS rows,
countIf(type NOT IN ('deferred', 'uninstall', 'custom', 'conversion', 'user_merge')) AS events,
countIf(type IN ('failed', 'undelivered', 'removed')) AS failures,
countIf(type = 'qualified' AND step IN {entry_steps:Array(String)}) AS qualifications,
countIf(type = 'qualified' AND step NOT IN {entry_steps:Array(String)}) AS survivors,
countIf(type = 'conversion') AS conversions
