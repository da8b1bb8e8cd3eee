"""ClickHouse nodes that go away and come back: writes are refused, then everything is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.refusals import assert_refused_clearly
from tests.support.clickhouse import NODES, Nodes, clickhouse_nodes
from tests.support.processes import wait_until
from tests.support.server import running_server
from tests.support.traffic import Reader, Sender

pytestmark = pytest.mark.slow

CAMPAIGN = "68e0c0ffee0000000000000d"


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with clickhouse_nodes() as nodes:
        yield nodes


@pytest.mark.parametrize("lost", [[0], [1], [0, 1]], ids=["first", "second", "both"])
def test_lost_nodes_refuse_and_come_back(nodes: Nodes, tmp_path: Path, lost: list[int]) -> None:
    """A batch that reached one shard only is not acknowledged, and its repetition counts each event once."""
    with running_server(tmp_path / "data", {"engine_url": nodes.info.url, "min_free_bytes": "0"}) as server:
        credentials = server.create_workspace("Store test")
        sender = Sender(server.url, credentials, CAMPAIGN, "n")
        reader = Reader(server.url, credentials, CAMPAIGN)
        try:
            assert sender.send(200), sender.refusals
            nodes.kill(*lost)
            assert not sender.send(200)
            assert not sender.send(1000)
            assert_refused_clearly(sender.refusals)
            nodes.start(*lost)
            wait_until(sender.resend, what="the store's return")
            assert sender.send(200), sender.refusals
            assert sender.acknowledged == sender.sent
            assert reader.performance("TOTAL")["sent"] == len(sender.sent)
            assert reader.performance("UNIQUE")["sent"] == len(sender.sent)
            assert _rows_per_node(nodes) == len(sender.sent)
        finally:
            sender.close()
            reader.close()


def _rows_per_node(nodes: Nodes) -> int:
    """Different events over all nodes, read past our own code."""
    counts = nodes.info.run("SELECT uniqExact(event_id) FROM campanile.events_local")
    assert len(counts) == NODES
    return sum(int(count) for count in counts)
