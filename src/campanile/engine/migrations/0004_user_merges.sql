-- Two ids of one person (docs/decisions/0010).
--
-- When a user is merged into another one, the rows of the first are copied under the id of the second, so that they
-- lie on its shard. `merged` is the sequence of the merge that made a copy, 0 on rows as they arrived.
ALTER TABLE {database}.events{local} ADD COLUMN IF NOT EXISTS merged UInt64 DEFAULT 0 CODEC(ZSTD(1));

-- only: cluster
ALTER TABLE {database}.events ADD COLUMN IF NOT EXISTS merged UInt64 DEFAULT 0;

-- Ids whose own rows count no more. Every node has all of them.
CREATE TABLE IF NOT EXISTS {database}.user_aliases
(
    workspace_id LowCardinality(String),
    user_id String,
    to_user_id String,
    sequence UInt64,
    user_key UInt64 DEFAULT sipHash64(workspace_id, concat('u:', user_id))
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace_id, user_key, user_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
