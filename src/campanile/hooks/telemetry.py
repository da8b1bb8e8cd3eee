"""What the receivers tell Prometheus (ingest specification 7)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

VERIFY_FAILURES = Counter("hook_verify_failures", "Deliveries that could not be trusted", ["provider"])
DELIVERIES = Counter("hook_deliveries", "Deliveries, by what became of them", ["provider", "outcome"])
UNRESOLVED = Gauge("unresolved_events", "Events that wait for their messages")
SPOOL_BYTES = Gauge("spool_bytes", "Bytes of deliveries that wait on disk for the store")
DEAD_LETTERS = Counter("dead_letter_events", "Events that could not be stored", ["source"])
UNMAPPED = Counter("streams_unmapped", "Message events of Streams whose codes are not known", ["code"])
