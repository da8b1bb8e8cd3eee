"""A broker of the Kafka protocol for tests: the one that librdkafka carries for its own tests.

It listens on real sockets, knows consumer groups, offsets and rebalances, and keeps its topics in memory. It is not
Apache Kafka: what a broker decides by its settings, and what survives its end, cannot be tested with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from confluent_kafka import Producer


@contextlib.contextmanager
def kafka_broker() -> Iterator[str]:
    """An empty broker in this process; yields its address. Topics come into being with their first message."""
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    brokers = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    holder.flush(5)
