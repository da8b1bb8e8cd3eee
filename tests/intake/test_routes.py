"""`POST /v1/events` and its neighbours over HTTP: verdicts, status codes, headers, retries, outages."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import zstandard

from campanile.kit.pii import MASK
from tests.intake.served import BAD, Sender, Served, authorization, click, counts, ndjson
from tests.intake.worlds import CAMPAIGN, OTHER_CAMPAIGN, rows, stored_ids

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
        assert [clock["median"] for clock in status.pop("clocks")] == ["behind"]
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
