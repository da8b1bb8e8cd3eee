-- Counts reported as numbers instead of events, one row per (snapshot, cell, kind, key).
--
-- A snapshot written twice has the same sorting key, so it is one row to every question (they read FINAL); of two
-- copies the one accepted first has the higher precedence and stays.
CREATE TABLE IF NOT EXISTS {database}.snapshots{local}
(
    workspace_id LowCardinality(String),
    campaign_id String,
    date Date32,
    platform LowCardinality(String),
    locale LowCardinality(String),
    variation LowCardinality(String),
    kind Enum8('funnel' = 1, 'performance' = 2, 'failure' = 3, 'conversion' = 4),
    key LowCardinality(String),
    goal String,
    attribution LowCardinality(String),
    mode Enum8('replace' = 1, 'add' = 2),
    as_of DateTime64(3, 'UTC'),
    total UInt64,
    unique UInt64,
    revenue Nullable(Decimal(18, 4)),
    snapshot_id String,
    snapshot_key UInt128,
    precedence UInt64 DEFAULT bitNot(sequence),
    sequence UInt64,
    received_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(precedence)
PARTITION BY toYear(date)
ORDER BY (workspace_id, campaign_id, date, platform, locale, variation, kind, key, goal, attribution, snapshot_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- only: cluster
-- All rows of a campaign live on one shard, so the effective value of a cell is known there.
CREATE TABLE IF NOT EXISTS {database}.snapshots AS {database}.snapshots_local
ENGINE = Distributed('{cluster}', '{database}', 'snapshots_local', sipHash64(workspace_id, campaign_id));
