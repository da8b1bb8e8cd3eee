"""Long ranges put together by the client are what the server says of the whole range, on the golden examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from campanile.client import Client, RetryPolicy, Stats
from campanile.workspaces.schemas import CreatedWorkspace
from tests.oracle.fixtures import NAMES, load
from tests.stats.inprocess import InProcess, running
from tests.stats.test_golden import document
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

DIALECTS = ("docs", "live")


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, datetime(2025, 1, 1, tzinfo=UTC)) as server:
        yield server


def client_of(server: InProcess, owner: CreatedWorkspace) -> Client:
    """A client that reaches the application without a socket; when its minute is used up, the clock moves."""

    def answer(request: httpx.Request) -> httpx.Response:
        kept = {name: value for name, value in request.headers.items() if name != "host"}
        path = request.url.raw_path.decode()
        response = server.client.request(request.method, path, content=request.content, headers=kept)
        return httpx.Response(response.status_code, content=response.content, headers=dict(response.headers))

    retry = RetryPolicy(attempts=2, sleep=lambda _: server.fresh_window())
    return Client(
        "http://server.example", owner.workspace.id, owner.report_key, retry=retry,
        transport=httpx.MockTransport(answer),
    )  # fmt: skip


def shown(answer: Stats) -> dict[tuple[str, ...], Any]:
    """Every number by its place."""
    return {(*row[4:8], row.block, row.goal, row.metric): row.value for row in answer.rows()}


def fill(server: InProcess, name: str) -> tuple[CreatedWorkspace, Mapping[str, Any]]:
    example = load(name)
    owner = server.services.workspaces.create(name, id=name)
    server.configure(name, {key: str(value) for key, value in example["settings"].items()})
    server.import_campaigns(owner, map(document, example["campaigns"]))
    server.clock.set(datetime.fromisoformat(example["request"]["end_date"]).replace(tzinfo=UTC) + timedelta(days=2))
    server.send_events(owner, sorted(example["events"], key=lambda event: event.get("received_at", event["ts"])))
    return owner, example


@pytest.mark.parametrize("name", NAMES)
def test_days_add_up_to_the_range(server: InProcess, name: str) -> None:
    owner, example = fill(server, name)
    days = {key: date.fromisoformat(example["request"][key]) for key in ("start_date", "end_date")}
    ids = [campaign["campaign_id"] for campaign in example["campaigns"]]
    with client_of(server, owner) as client:
        for dialect in DIALECTS:
            server.configure(name, {"stats_dialect": dialect})
            whole = shown(client.stats(ids, **days))
            for window_days in (1, 2):
                parts = client.stats(ids, **days, window_days=window_days)
                merged = parts.merged()
                found = shown(merged)
                assert found == {place: whole[place] for place in found}
                absent = {f"{place[4]}.{place[6]}" for place in set(whole) - set(found)}
                assert absent <= set(merged.left_out)
                if len(parts.parts) > 1:
                    assert any(place[6] == "sent" or place[6] == "impression" for place in found) or not found
