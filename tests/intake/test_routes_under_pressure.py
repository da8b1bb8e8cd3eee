"""`POST /v1/events` when there is too much, when the store is away, and when requests come again."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from tests.intake.served import BAD, Sender, Served, click, counts, ndjson
from tests.intake.worlds import rows, stored_ids

pytestmark = pytest.mark.slow

# --- back-pressure


def test_the_rate_is_counted_in_events_and_shown(chdb_engine: Engine, tmp_path: Path, clock: FixedClock) -> None:
    served = Served(chdb_engine, tmp_path, clock, intake_rate=2, intake_burst=10)

    async def scenario(send: Sender) -> None:
        taken = await send.events(*(click(f"e-{number}") for number in range(7)))
        assert {name: taken.headers[name] for name in taken.headers if name.startswith("x-ratelimit")} == {
            "x-ratelimit-limit": "10",
            "x-ratelimit-remaining": "3",
            "x-ratelimit-reset": "4",
        }
        refused = await send.events(*(click(f"f-{number}") for number in range(6)))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
        assert refused.headers["x-ratelimit-remaining"] == "3"
        assert refused.json()["error"]["type"] == "rate_limited"
        other = await send.events(click("a"), user="v:ingest-key")
        assert other.headers["x-ratelimit-remaining"] == "9"
        served.monotonic.seconds += 2
        assert (await send.events(*(click(f"f-{number}") for number in range(6)))).status_code == 200

    served.run(scenario)
    served.close()
    assert len(stored_ids(chdb_engine)) == 13


def test_a_workspace_may_have_a_rate_of_its_own(served: Served) -> None:
    served.workspaces.update_settings("w", {"intake_rate": "1", "intake_burst": "2"})

    async def scenario(send: Sender) -> None:
        assert (await send.events(click("a"), click("b"))).headers["x-ratelimit-limit"] == "2"
        assert (await send.events(click("c"))).status_code == 429

    served.run(scenario)


def test_a_full_server_says_so_before_it_reads(chdb_engine: Engine, tmp_path: Path, clock: FixedClock) -> None:
    served = Served(chdb_engine, tmp_path, clock, intake_pending_bytes=1000)

    async def scenario(send: Sender) -> None:
        refused = await send.events(*(click(f"e-{number}") for number in range(20)))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"]["type"] == "overloaded"
        assert (await send.events(click("a"))).status_code == 200
        inflated = gzip.compress(ndjson(*(click(f"e-{number}") for number in range(20))))
        assert len(inflated) < 500
        assert (await send.post("/v1/events", inflated, Content_Encoding="gzip")).status_code == 503
        assert (await send.get("/v1/ingest/status")).json()["pending_bytes"] == 0

    served.run(scenario)
    served.close()
    assert stored_ids(chdb_engine) == ["a"]


def test_a_full_disk_stops_writes(
    chdb_engine: Engine, tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(chdb_engine, tmp_path, clock, min_free_bytes=1000)

    async def scenario(send: Sender) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.intake._pressure, "_usage", lambda _: (10**6, 10**6 - 999, 999))
            response = await send.events(click("a"))
            assert (response.status_code, response.json()["error"]["type"]) == (503, "disk_full")
            assert (await send.get("/v1/ingest/status")).status_code == 200
        assert (await send.events(click("a"))).status_code == 200

    served.run(scenario)
    served.close()


# --- outages


def test_a_store_that_fails_is_not_acknowledged_and_recovers(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise EngineUnavailable("The event store cannot be written.")

    async def scenario(send: Sender) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.engine, "append", unavailable)
            responses = await asyncio.gather(*(send.events(click(f"e-{number}")) for number in range(5)))
            assert {response.status_code for response in responses} == {503}
            assert {response.json()["error"]["type"] for response in responses} == {"store_unavailable"}
            assert all("retry-after" in response.headers for response in responses)
            assert (await send.get("/v1/ingest/status")).json()["store"] == "unavailable"
        responses = await asyncio.gather(*(send.events(click(f"e-{number}")) for number in range(5)))
        assert [counts(response) for response in responses] == [(1, 1, 0, 0)] * 5
        status = (await send.get("/v1/ingest/status")).json()
        assert (status["store"], status["accepted"], status["pending_requests"]) == ("ok", 5, 0)

    served.run(scenario)
    assert len(stored_ids(served.engine)) == 5


def test_the_same_request_ten_times_in_parallel_counts_once(served: Served) -> None:
    body = [click(f"e-{number}", type="sent", provider="ses", message_id=f"m-{number}") for number in range(50)]

    async def scenario(send: Sender) -> None:
        responses = await asyncio.gather(*(send.events(*body) for _ in range(10)))
        assert {response.status_code for response in responses} == {200}
        assert sum(counts(response)[1] for response in responses) == 50
        assert sum(counts(response)[2] for response in responses) == 450

    served.run(scenario)
    assert len(rows(served.engine, "event_id", source="raw_events")) == 50


# --- Idempotency-Key


def test_a_request_with_a_key_is_answered_once(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        body = [click(None), click(None), BAD]
        first = await send.events(*body, Idempotency_Key="k-1")
        again = await send.events(*body, Idempotency_Key="k-1")
        assert (first.status_code, counts(first)) == (207, (3, 2, 0, 1))
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replay"] == "true"
        assert "idempotent-replay" not in first.headers

    served.run(scenario)
    assert stored_ids(served.engine) == ["k-1:0", "k-1:1"]


def test_the_answer_outlives_the_process(served: Served, chdb_engine: Engine, tmp_path: Path) -> None:
    answers = []

    async def scenario(send: Sender) -> None:
        answers.append(await send.events(click(None), Idempotency_Key="k-1"))

    served.run(scenario)
    restarted = Served(chdb_engine, tmp_path, served.clock)
    restarted.run(scenario)
    restarted.close()
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replay"] == "true"


@pytest.mark.parametrize(
    "changes",
    [{"events": [click(None, user_id="u-2")]}, {"query": "?strict=true"}, {"path": "/v1/funnel"}],
    ids=["body", "parameter", "endpoint"],
)
def test_a_key_belongs_to_one_request(served: Served, changes: dict[str, Any]) -> None:
    async def scenario(send: Sender) -> None:
        await send.events(click(None), Idempotency_Key="k-1")
        other = await send.post(
            changes.get("path", "/v1/events"),
            ndjson(*changes.get("events", [click(None)])),
            query=changes.get("query", ""),
            Idempotency_Key="k-1",
        )
        assert (other.status_code, other.json()["error"]["type"]) == (409, "idempotency_key_reused")

    served.run(scenario)
    assert len(stored_ids(served.engine)) == 1


def test_a_key_used_twice_at_once_does_its_work_once(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        responses = await asyncio.gather(
            *(send.events(click(None), click(None), Idempotency_Key="k") for _ in range(6))
        )
        assert {response.content for response in responses} == {responses[0].content}
        assert sum("idempotent-replay" in response.headers for response in responses) == 5

    served.run(scenario)
    assert stored_ids(served.engine) == ["k:0", "k:1"]


def test_a_failed_request_keeps_its_key_and_may_come_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise EngineUnavailable("The event store cannot be written.")

    async def scenario(send: Sender) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.engine, "append", unavailable)
            assert (await send.events(click(None), Idempotency_Key="k")).status_code == 503
        assert (await send.events(click(None, user_id="x"), Idempotency_Key="k")).status_code == 409
        response = await send.events(click(None), Idempotency_Key="k")
        assert (response.status_code, counts(response)) == (200, (1, 1, 0, 0))

    served.run(scenario)


def test_without_id_and_key_an_event_is_refused(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        assert (await send.events(click(None))).json()["errors"][0]["code"] == "missing_event_id"

    served.run(scenario)
