-- The day an event counts for, as the instant its day starts, with `by_day`; otherwise 0. `days` are those instants.
roundDown(toUnixTimestamp64Milli(ts), {days:Array(Int64)}) AS day_start,
if({by_day:UInt8} = 1, day_start, 0) AS day
