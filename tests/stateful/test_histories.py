"""Random pasts through the whole application: sent in pieces, in parallel, out of order and repeatedly, the answers are
those of the oracle, and keep every invariant."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import NOW
from tests.oracle import invariants
from tests.oracle.histories import History, histories, lawful_histories
from tests.oracle.tree import nested, tree
from tests.stats.inprocess import InProcess, running
from tests.stats.test_golden import answered_blocks, document, expected_blocks, leaves
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

ORDINARY = settings(deadline=None, suppress_health_check=list(HealthCheck))
_numbers = itertools.count()


@pytest.fixture(params=["chdb", "cluster"], scope="module")
def server(request: pytest.FixtureRequest, embedded: EmbeddedEngine) -> Iterator[InProcess]:
    url = request.getfixturevalue("cluster").url if request.param == "cluster" else ""
    with running(embedded, NOW, url, settled_after=0) as running_server:
        yield running_server


def described(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign of a history as a document."""
    groups = {
        "is_global_control_group_enabled": fields["global_control_group"],
        "is_campaign_control_group_enabled": fields["campaign_control_group"],
        "campaign_control_group_percentage": 10,
    }
    known = {key: value for key, value in fields.items() if not key.endswith("control_group")}
    return {**document(known), "campaign_delivery_type": fields["delivery_type"], "control_group_details": groups}


def deliver(server: InProcess, owner: Any, history: History, data: st.DataObject) -> None:
    """Send the batches one after the other; each of them whole, or in shuffled pieces at the same time, or twice."""
    for number, batch in enumerate(history.batches):
        server.clock.set(history.received_at + timedelta(minutes=number))
        events = data.draw(st.permutations(batch))
        pieces = [events[start : start + 3] for start in range(0, len(events), 3)]
        how = data.draw(st.sampled_from(["whole", "pieces", "twice"]))
        sendings: Sequence[Sequence[Any]] = {"whole": [events], "pieces": pieces, "twice": [events, events]}[how]
        with ThreadPoolExecutor(3) as threads:
            for receipt in threads.map(lambda piece: server.send_events(owner, piece), sendings):
                assert receipt["rejected"] == 0, receipt
                assert receipt["accepted"] + receipt["duplicates"] == receipt["received"], receipt


def answers(server: InProcess, owner: Any, history: History, metric_type: str) -> dict[str, dict[Any, Any]]:
    """Nodes of every campaign by logical place."""
    data = server.stats(
        owner,
        request_id="history",
        campaign_ids=[fields["campaign_id"] for fields in history.campaigns],
        attribution_type="VIEW_THROUGH",
        metric_type=metric_type,
        **history.request,
    )["data"]
    return {
        campaign_id: {place: answered_blocks(node) for place, node in leaves(elements[0]["platforms"]).items()}
        for campaign_id, elements in data.items()
    }


def check(server: InProcess, history: History, data: st.DataObject) -> None:
    identifier = f"history-{next(_numbers)}"
    server.clock.set(history.received_at)
    owner = server.services.workspaces.create(identifier, id=identifier)
    changes = {key: str(value) for key, value in history.settings.items()}
    server.configure(identifier, {**changes, "stats_dialect": "live"})
    imported = server.import_campaigns(owner, map(described, history.campaigns))
    assert imported["failed"] == 0, imported
    deliver(server, owner, history, data)
    past = history.workspace()
    found = {kind: answers(server, owner, history, kind) for kind in ("TOTAL", "UNIQUE")}
    server.services.settle_all()
    assert {kind: answers(server, owner, history, kind) for kind in found} == found, "integers answer as the log does"
    for fields in history.campaigns:
        campaign_id = fields["campaign_id"]
        for kind, nodes in found.items():
            expected = leaves(tree(past, campaign_id, kind, all_platforms=True)["platforms"])
            assert nodes[campaign_id] == {place: expected_blocks(node) for place, node in expected.items()}, kind
        total, unique = (nested(found[kind][campaign_id]) for kind in ("TOTAL", "UNIQUE"))
        invariants.check_tree(
            fields["channel"],
            total,
            unique,
            complete=history.lawful,
            survivors=history.survivors,
            delivery_receipts=fields["delivery_tracking"],
        )


@settings(ORDINARY, max_examples=40)
@given(history=histories(), data=st.data())
def test_any_past(server: InProcess, history: History, data: st.DataObject) -> None:
    check(server, history, data)


@settings(ORDINARY, max_examples=20)
@given(history=lawful_histories(), data=st.data())
def test_a_past_within_the_sender_contract(server: InProcess, history: History, data: st.DataObject) -> None:
    check(server, history, data)
