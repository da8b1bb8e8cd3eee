"""What the intake tells Prometheus (ingest specification 7)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("ingest_events", "Records received, by what became of them", ["workspace", "source", "result"])
REJECTS = Counter("ingest_rejects", "Records refused, by reason", ["code"])
CONFLICTING = Counter(
    "ingest_duplicates_conflicting", "Duplicates that differ from the copy that counts", ["workspace"]
)
COMMIT_SECONDS = Histogram(
    "ingest_commit_seconds",
    "Time to write one group of requests",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
QUEUE_BYTES = Gauge("ingest_queue_bytes", "Bytes of requests under way")
KNOWN_IDS_BYTES = Gauge("ingest_known_ids_bytes", "Memory of the ids known to be stored")
