"""`POST /v1/events` and its neighbours over HTTP: verdicts, status codes, headers, retries, outages."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.kit.pii import MASK
from tests.intake.served import TIME, Sender, Served, authorization, click, counts, ndjson
from tests.intake.worlds import CAMPAIGN, OTHER_CAMPAIGN, rows, stored_ids

BAD = {"event_id": "bad", "type": "click", "time": TIME, "channel": "EMAIL", "user_id": "u-1"}
"""Lacks its campaign."""


@pytest.fixture
def served(chdb_engine: Engine, tmp_path: Path, clock: FixedClock) -> Iterator[Served]:
    served = Served(chdb_engine, tmp_path, clock)
    yield served
    served.close()


# --- verdicts


def test_ten_thousand_events_are_stored_and_visible_when_the_answer_arrives(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(*(click(f"e-{number}", user_id=f"u-{number}") for number in range(10_000)))
        assert (response.status_code, counts(response)) == (200, (10_000, 10_000, 0, 0))
        assert rows(served.engine, "count(), uniqExact(user_key)") == [(10_000, 10_000)]

    served.run(scenario)


def test_the_answer_tells_everything(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.events(click("known"))
        response = await send.events(click("new", campain_name="x"), click("known"), BAD)
        assert response.status_code == 207
        assert response.headers["x-rejected-count"] == "1"
        assert response.headers["content-type"] == "application/json"
        body = response.json()
        message = body["errors"][0].pop("message")
        assert "campaign_id" in message
        assert body == {
            "request_id": "request-0001",
            "status": "partial",
            "received": 3,
            "accepted": 1,
            "duplicates": 1,
            "rejected": 1,
            "errors": [{"index": 2, "line": 3, "event_id": "bad", "code": "missing_field", "field": "campaign_id"}],
            "errors_truncated": False,
            "warnings": [{"code": "unknown_field", "field": "campain_name", "count": 1}],
        }

    served.run(scenario)
    assert stored_ids(served.engine) == ["known", "new"]


def test_a_new_campaign_is_announced_once(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        first, second = await send.events(click("a")), await send.events(click("b"))
        assert first.json()["warnings"] == [{"code": "campaign_auto_created", "field": "campaign_id", "count": 1}]
        assert second.json()["warnings"] == []
        assert "x-rejected-count" not in first.headers

    served.run(scenario)
    assert served.campaigns.get_many("w", [CAMPAIGN])[CAMPAIGN].channel == "EMAIL"


@pytest.mark.parametrize(("body", "status"), [(b"[]", 200), (b'{"events":[]}', 200)])
def test_nothing_is_ok(served: Served, body: bytes, status: int) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.post("/v1/events", body, content_type="application/json")
        assert (response.status_code, response.json()["status"], counts(response)) == (status, "ok", (0, 0, 0, 0))

    served.run(scenario)


def test_all_rejected_is_422(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(BAD, BAD)
        assert (response.status_code, response.json()["status"], counts(response)) == (422, "failed", (2, 0, 0, 2))

    served.run(scenario)


def test_campaign_conflicts_are_verdicts_with_index_and_line(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(click("a"), BAD, click("b", channel="SMS"))
        errors = [(item["index"], item["line"], item["event_id"], item["code"]) for item in response.json()["errors"]]
        assert errors == [(1, 2, "bad", "missing_field"), (2, 3, "b", "campaign_conflict")]
        assert counts(response) == (3, 1, 0, 2)

    served.run(scenario)


def test_auto_registration_can_be_off(served: Served) -> None:
    served.workspaces.update_settings("w", {"auto_register_campaigns": "false"})

    async def scenario(send: Sender) -> None:
        response = await send.events(click("a"))
        assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "unknown_campaign")

    served.run(scenario)


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("form", ["array", "envelope", "ndjson"])
def test_every_form_and_coding(served: Served, form: str, coding: str) -> None:
    events = [click("a"), click("b")]
    plain = {
        "array": json.dumps(events).encode(),
        "envelope": json.dumps({"events": events, "defaults": {"locale": "en"}}).encode(),
        "ndjson": ndjson(*events),
    }[form]
    body = {"identity": plain, "gzip": gzip.compress(plain), "zstd": zstandard.compress(plain)}[coding]
    content_type = "application/x-ndjson" if form == "ndjson" else "application/json"

    async def scenario(send: Sender) -> None:
        response = await send.post("/v1/events", body, content_type=content_type, Content_Encoding=coding)
        assert (response.status_code, counts(response)) == (200, (2, 2, 0, 0))

    served.run(scenario)
    locale = "en" if form == "envelope" else ""
    assert rows(served.engine, "event_id, locale") == [("a", locale), ("b", locale)]


# --- parameters


def test_a_dry_run_says_the_same_and_does_nothing(served: Served) -> None:
    sent = [
        click("known"),
        click("new"),
        click("new"),
        BAD,
        click("x", channel="SMS"),
        click("y", campaign_id=OTHER_CAMPAIGN),
    ]

    async def scenario(send: Sender) -> None:
        await send.events(click("known"))
        before = served.intake.rate_headers(served.workspaces.get("w"))["x-ratelimit-remaining"]  # type: ignore[arg-type]
        rehearsed = await send.events(*sent, query="?dry_run=true", Idempotency_Key="k")
        assert stored_ids(served.engine) == ["known"]
        assert OTHER_CAMPAIGN not in served.campaigns.get_many("w", [OTHER_CAMPAIGN])
        assert rehearsed.headers["x-ratelimit-remaining"] == before
        assert (await send.get("/v1/ingest/rejects")).json() == {"rejects": []}
        stored = await send.events(*sent, Idempotency_Key="k")
        assert rehearsed.status_code == stored.status_code == 207
        assert counts(rehearsed) == counts(stored) == (6, 2, 2, 2)
        assert rehearsed.json()["errors"] == stored.json()["errors"]

    served.run(scenario)


def test_a_dry_run_knows_that_registration_is_off(served: Served) -> None:
    served.workspaces.update_settings("w", {"auto_register_campaigns": "false"})

    async def scenario(send: Sender) -> None:
        response = await send.events(click("a"), query="?dry_run=true")
        assert response.json()["errors"][0]["code"] == "unknown_campaign"

    served.run(scenario)


@pytest.mark.parametrize("bad", [BAD, click("b", channel="SMS")], ids=["unreadable", "conflict"])
def test_atomic_means_all_or_nothing(served: Served, bad: dict[str, Any]) -> None:
    async def scenario(send: Sender) -> None:
        await send.events(click("known"))
        refused = await send.events(click("a"), bad, click("known"), query="?atomic=true")
        assert (refused.status_code, counts(refused)) == (422, (3, 0, 0, 3))
        assert len(refused.json()["errors"]) == 1
        assert stored_ids(served.engine) == ["known"]
        taken = await send.events(click("a"), click("known"), query="?atomic=true")
        assert (taken.status_code, counts(taken)) == (200, (2, 1, 1, 0))

    served.run(scenario)


def test_strict_refuses_unknown_fields(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(click("a", colour="red"), query="?strict=true")
        assert response.json()["errors"][0]["code"] == "invalid_value"

    served.run(scenario)


def test_errors_are_cut_on_demand(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(*[BAD] * 5, query="?max_errors=2")
        body = response.json()
        assert (len(body["errors"]), body["errors_truncated"], body["rejected"]) == (2, True, 5)
        assert len((await send.events(*[BAD] * 101)).json()["errors"]) == 100

    served.run(scenario)


def test_imports_reach_back_further(served: Served) -> None:
    old = click("old", time="2011-05-01T00:00:00Z")

    async def scenario(send: Sender) -> None:
        assert (await send.events(old)).json()["errors"][0]["code"] == "too_old"
        assert (await send.events(old, query="?import=true")).json()["accepted"] == 1
        ancient = await send.events(click("ancient", time="2009-12-31T23:59:59Z"), query="?import=true")
        assert ancient.json()["errors"][0]["code"] == "too_old"

    served.run(scenario)


@pytest.mark.parametrize(
    ("query", "attribute"),
    [
        ("?dry_run=yes", "dry_run"),
        ("?max_errors=10001", "max_errors"),
        ("?max_errors=-1", "max_errors"),
        ("?dryrun=true", "dryrun"),
    ],
)
def test_bad_parameters_store_nothing(served: Served, query: str, attribute: str) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.events(click("a"), query=query)
        assert response.status_code == 400
        assert response.json()["error"]["attribute"] == attribute
        assert response.json()["error"]["request_id"] == "request-0001"

    served.run(scenario)
    assert stored_ids(served.engine) == []


# --- refusals of whole requests


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"user": "w:wrong"}, 401, "unauthenticated"),
        ({"user": "w:report-key"}, 403, "missing_scope"),
        ({"user": "w:manage-key"}, 403, "missing_scope"),
        ({"MOE_APPKEY": "v"}, 403, "workspace_mismatch"),
        ({"content_type": "text/csv"}, 415, "unsupported_media_type"),
        ({"Content_Encoding": "br"}, 415, "unsupported_media_type"),
        ({"Content_Encoding": "gzip"}, 400, "invalid_compression"),
        ({"content_type": "application/json"}, 400, "invalid_json"),
        ({"Idempotency_Key": "a b"}, 400, "invalid_idempotency_key"),
    ],
)
def test_requests_that_cannot_be_taken(served: Served, changes: dict[str, Any], status: int, kind: str) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.post("/v1/events", ndjson(click("a"), click("b")), **changes)
        assert (response.status_code, response.json()["error"]["type"]) == (status, kind)

    served.run(scenario)
    assert stored_ids(served.engine) == []


def test_a_body_that_is_too_large_is_refused_by_its_length(served: Served) -> None:
    async def endless() -> Any:
        yield b"x"
        raise AssertionError("the body was read")

    async def scenario(send: Sender) -> None:
        response = await send.client.post(
            "/v1/events",
            content=endless(),
            headers={
                "Content-Length": str(5 * 1024 * 1024 + 1),
                "Content-Type": "application/x-ndjson",
                "Authorization": authorization("w:ingest-key"),
            },
        )
        assert (response.status_code, response.json()["error"]["type"]) == (413, "body_too_large")

    served.run(scenario)


def test_too_many_events(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.post("/v1/events", b"{}\n" * 10_001)
        assert (response.status_code, response.json()["error"]["type"]) == (413, "too_many_events")

    served.run(scenario)


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


# --- looking in


def test_refused_records_can_be_looked_up_without_personal_data(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.events({**BAD, "event_id": "ada@example.net"})
        served.clock.advance(10)
        await send.events(click("ok"), {**BAD, "event_id": "second"})
        records = (await send.get("/v1/ingest/rejects")).json()["rejects"]
        assert [(record["event_id"], record["code"], record["line"]) for record in records] == [
            ("second", "missing_field", 2),
            (MASK, "missing_field", 1),
        ]
        newest = (await send.get("/v1/ingest/rejects?since=2026-03-18T12:00:05Z")).json()["rejects"]
        assert [record["event_id"] for record in newest] == ["second"]
        assert (await send.get("/v1/ingest/rejects", user="v:ingest-key")).json() == {"rejects": []}
        assert (await send.get("/v1/ingest/rejects?since=yesterday")).status_code == 400
        assert (await send.get("/v1/ingest/rejects", user="w:report-key")).status_code == 403

    served.run(scenario)


def test_the_state_of_the_intake(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.events(click("a"), click("a"), BAD)
        status = (await send.get("/v1/ingest/status", user="w:manage-key")).json()
        assert status.pop("known_ids_bytes") > 0
        assert status == {
            "store": "ok",
            "pending_requests": 0,
            "pending_bytes": 0,
            "waiting_events": 0,
            "oldest_waiting_seconds": 0.0,
            "last_commit_at": "2026-03-18T12:00:00Z",
            "last_commit_seconds": 0.0,
            "accepted": 1,
            "duplicates": 1,
            "rejected": 1,
        }
        assert (await send.get("/v1/ingest/status", user="v:ingest-key")).json()["accepted"] == 0

    served.run(scenario)
