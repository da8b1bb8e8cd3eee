"""What the consumer tells Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("consume_messages", "Messages that are done, by what became of them", ["result"])
RETRIES = Counter("consume_retries", "Waits for the server or the broker", ["what"])
LAG = Gauge("consume_lag_messages", "Messages behind the last one read")
BATCH_SECONDS = Histogram(
    "consume_batch_seconds",
    "Time from reading a batch to acknowledging it",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)
