-- Rows are in the order of people, not of time, within a day: there are no small steps to find, but all times of a day
-- share their upper bits. Packed so, times are cheaper to read and to write.
ALTER TABLE {database}.events{local} MODIFY COLUMN ts DateTime64(3, 'UTC') CODEC(T64, LZ4);
