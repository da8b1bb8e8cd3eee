"""The tables with which ClickHouse reads Kafka, as the documentation shows them, on a node and a broker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.support.clickhouse import ClusterInfo
from tests.support.kafka import kafka_broker
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent.parent / "docs" / "brokers.md"


@pytest.fixture
def broker(cluster: ClusterInfo) -> Iterator[str]:
    with kafka_broker() as servers:
        yield servers
        cluster.run("DROP DATABASE IF EXISTS feed SYNC")


def test_messages_land_as_lines(cluster: ClusterInfo, broker: str) -> None:
    """Both nodes join the group; every message is a line, whatever it held.

    A node that joins late makes this broker wait for the other one nearly as long as a session lasts (45 s).
    """
    bodies = [json.dumps({"event_id": f"e{number}"}, indent=1) for number in range(20)] + ["{broken"]
    producer = Producer({"bootstrap.servers": broker})
    for number, body in enumerate(bodies):
        producer.produce("campanile.events.v1", body.encode(), key=str(number))
    assert producer.flush(10) == 0
    (script,) = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for statement in script.replace("broker1:9092", broker).split(";"):
        if statement.strip():
            cluster.run(statement)

    def landed() -> set[str]:
        answers = cluster.run("SELECT body FROM feed.landing FORMAT LineAsString")
        return {line for answer in answers for line in answer.splitlines()}

    # Lines, not rows: when the second node joins, messages that are not yet committed come once more.
    wait_until(lambda: len(landed()) >= len(bodies), what="the messages")
    assert landed() == {body.replace("\n", " ") for body in bodies}
