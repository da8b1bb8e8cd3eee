-- The event log: append-only, the only truth (docs/decisions/0002).
--
-- The same event written twice has the same sorting key, so it is one row to every question (they read FINAL);
-- of two copies the one accepted first has the higher precedence and stays.
CREATE TABLE IF NOT EXISTS {database}.events{local}
(
    workspace_id LowCardinality(String),
    campaign_id String,
    type Enum8(
        'qualified' = 1, 'removed' = 2, 'attempted' = 3, 'sent' = 4, 'failed' = 5, 'undelivered' = 6, 'deferred' = 7,
        'delivered' = 8, 'hard_bounce' = 9, 'soft_bounce' = 10, 'impression' = 11, 'open' = 12, 'read' = 13,
        'click' = 14, 'close' = 15, 'dismiss' = 16, 'unsubscribe' = 17, 'complaint' = 18, 'synced' = 19,
        'uninstall' = 20, 'custom' = 21, 'conversion' = 22, 'user_merge' = 23),
    ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    user_key UInt64 DEFAULT sipHash64(workspace_id, if(user_id = '', concat('d:', device_id), concat('u:', user_id))),
    event_key UInt128,
    message_key UInt128 DEFAULT 0,
    precedence UInt64 DEFAULT bitNot(sequence),
    sequence UInt64 CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    channel LowCardinality(String),
    platform LowCardinality(String),
    locale LowCardinality(String),
    variation LowCardinality(String),
    instance_id String,
    user_id String,
    device_id String,
    reason LowCardinality(String),
    step LowCardinality(String),
    machine Bool,
    name LowCardinality(String),
    goal LowCardinality(String),
    attribution LowCardinality(String),
    revenue Nullable(Decimal(18, 4)),
    currency LowCardinality(String),
    provider LowCardinality(String),
    message_id String,
    transport LowCardinality(String),
    source LowCardinality(String),
    device_platform LowCardinality(String),
    flow_id LowCardinality(String),
    link String,
    link_id String,
    reason_detail String,
    attributes String,
    event_id String,
    PROJECTION by_event (SELECT workspace_id, event_key, sequence ORDER BY workspace_id, event_key),
    PROJECTION by_message (SELECT workspace_id, message_key ORDER BY workspace_id, message_key)
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYYYYMM(ts)
ORDER BY (workspace_id, campaign_id, type, toDate(ts), user_key, event_key)
SETTINGS deduplicate_merge_projection_mode = 'rebuild', fsync_after_insert = 1, fsync_part_directory = 1;

-- only: cluster
-- All events of a user live on one shard, so every distinct count is a plain sum over the shards.
CREATE TABLE IF NOT EXISTS {database}.events AS {database}.events_local
ENGINE = Distributed('{cluster}', '{database}', 'events_local', user_key);
