"""The table of abuse (ingest specification 7), row by row: what it does here, or the tests that hold it elsewhere."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from campanile.clock import FixedClock
from tests.intake.served import Sender, Served, click, counts, ndjson
from tests.intake.worlds import NOW, rows, stored_ids

ROOT = Path(__file__).parent.parent.parent
LEVELS = 1_200
"""More than a parser that calls itself could take."""


class Bad(NamedTuple):
    """A line between two good ones, and the verdict on it."""

    name: str
    line: bytes
    code: str


def line(**changes: Any) -> bytes:
    return json.dumps({**click("bad"), **changes}).encode()


def raw(field: str, value: str) -> bytes:
    """An event with a member that `json.dumps` would not write."""
    return line()[:-1] + f', "{field}": {value}}}'.encode()


def at(days: float) -> int:
    return int(NOW.timestamp() + days * 86_400)


BAD = [
    Bad("deep nesting", raw("attributes", '{"a": ' * 6 + "1" + "}" * 6), "too_deep"),
    Bad("nesting without end", raw("attributes", "[" * LEVELS + "]" * LEVELS), "too_deep"),
    Bad("huge key counts", line(type="custom", name="x", attributes={f"k{n}": 1 for n in range(101)}),
        "too_many_attributes"),
    Bad("huge event", line(link="x" * 40_000), "event_too_large"),
    Bad("NaN", raw("revenue", "NaN"), "non_finite_number"),
    Bad("Infinity", raw("revenue", "-Infinity"), "non_finite_number"),
    Bad("infinity in disguise", raw("revenue", "1e400"), "non_finite_number"),
    Bad("big integers", raw("device_id", '"d"').replace(b'"u-1001"', b"123456789012345678901234567890"),
        "invalid_value"),
    Bad("duplicate keys", raw("user_id", '"u-2"'), "duplicate_key"),
    Bad("bad UTF-8", line(name="x").replace(b'"x"', b'"\xc3\x28"'), "invalid_utf8"),
    Bad("half a character", line(name="x").replace(b'"x"', rb'"\ud800"'), "invalid_utf8"),
    Bad("NUL in an id", line(user_id="u\x00"), "invalid_value"),
    Bad("control characters in an id", line(device_id="d\x1b[2J"), "invalid_value"),
    Bad("a BOM in the middle", b"\xef\xbb\xbf" + line(), "invalid_json"),
    Bad("future", line(time=at(1.1)), "time_in_future"),
    Bad("ancient", line(time=at(-91)), "too_old"),
    Bad("time 0", line(time=0), "time_unparsable"),
    Bad("time of no unit", line(time=10**17), "time_unparsable"),
    Bad("negative time", line(time=-1), "time_unparsable"),
    Bad("wrong workspace", line(workspace_id="v"), "wrong_workspace"),
    Bad("reserved words", line(locale="all_locales"), "reserved_value"),
    Bad("reserved names", line(type="custom", name="MOE_x"), "reserved_value"),
    Bad("placeholders", line(user_id="guest"), "placeholder_user_id"),
    Bad("log injection", line(event_id='bad"}\n{"level": "error"}'), "invalid_value"),
    Bad("no JSON at all", b"<script>alert(1)</script>", "invalid_json"),
]  # fmt: skip


@pytest.fixture(name="served", scope="module")
def _served(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(embedded.take(), Path(tmp_path_factory.mktemp("abuse")), FixedClock(NOW))
    yield served
    served.close()


def ask(served: Served, work: Callable[[Sender], Any]) -> None:
    served.restart()
    served.engine.truncate()
    served.run(work)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_event_costs_itself_only(served: Served, bad: Bad) -> None:
    async def work(send: Sender) -> None:
        body = b"\n".join((ndjson(click("first")).strip(), bad.line, ndjson(click("last")).strip()))
        answer = await send.post("/v1/events", body)
        assert (answer.status_code, counts(answer)) == (207, (3, 2, 0, 1)), answer.text
        (error,) = answer.json()["errors"]
        assert (error["code"], error["index"], error["line"]) == (bad.code, 1, 2)
        assert "script" not in answer.text
        assert '"level"' not in error["message"]

    ask(served, work)
    assert stored_ids(served.engine) == ["first", "last"]


ZEROS = bytes(1024 * 1024)
REQUESTS: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("gzip bomb", gzip.compress(ZEROS), {"Content_Encoding": "gzip"}, 413, "compression_ratio"),
    ("zstd bomb", zstandard.compress(ZEROS), {"Content_Encoding": "zstd"}, 413, "compression_ratio"),
    ("nested codings", gzip.compress(gzip.compress(b"{}")), {"Content_Encoding": "gzip, gzip"}, 415,
     "unsupported_media_type"),
    ("several frames", gzip.compress(b"{}") * 2, {"Content_Encoding": "gzip"}, 400, "invalid_compression"),
    ("bad UTF-8 in one document", b'[{"event_id": "\xff"}]', {"content_type": "application/json"}, 400, "invalid_utf8"),
    ("another workspace in a header", ndjson(click("a")), {"MOE_APPKEY": "v"}, 403, "workspace_mismatch"),
    ("another workspace's key", ndjson(click("a")), {"user": "nobody:ingest-key"}, 401, "unauthenticated"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "headers", "status", "code"), REQUESTS, ids=[each[0] for each in REQUESTS])
def test_a_bad_request_stores_nothing(
    served: Served, name: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    async def work(send: Sender) -> None:
        answer = await send.post("/v1/events", body, **headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, code), name

    ask(served, work)
    assert stored_ids(served.engine) == []


def test_texts_are_values_and_never_statements(served: Served) -> None:
    texts = ["'; DROP TABLE events; --", "\\'); SELECT 1", "{workspace:String}", "%s ${jndi:ldap://x}", "=1+1", "`a`"]
    events = [click(f"e{number}", user_id=text, locale=text[:20]) for number, text in enumerate(texts)]

    async def work(send: Sender) -> None:
        assert (await send.events(*events)).status_code == 200

    ask(served, work)
    assert rows(served.engine, "user_id, locale") == sorted((text, text[:20]) for text in texts)


def test_a_leading_mark_of_byte_order_is_skipped(served: Served) -> None:
    async def work(send: Sender) -> None:
        assert (await send.post("/v1/events", b"\xef\xbb\xbf" + ndjson(click("a")))).status_code == 200

    ask(served, work)
    assert stored_ids(served.engine) == ["a"]


def test_clocks_that_are_wrong_are_listed(served: Served) -> None:
    async def work(send: Sender) -> None:
        early = [click(f"early-{number}", time=at(0.01)) for number in range(3)]
        await send.events(*early, click("right-1", time=at(0)), click("right-2", time=at(0)))
        (clock,) = (await send.get("/v1/ingest/status")).json()["clocks"]
        assert clock.pop("key_id") in {key.id for key in served.workspaces.list_keys("w") if key.kind == "ingest"}
        assert clock == {"events": 5, "ahead": 3, "behind": 0, "median": "ahead"}
        await send.events(click("right-3", time=at(0)))
        assert (await send.get("/v1/ingest/status")).json()["clocks"] == []
        late = [click(f"late-{number}", time=at(-0.01)) for number in range(7)]
        assert (await send.events(*late, query="?dry_run=true")).status_code == 200
        assert (await send.events(*late, query="?import=true")).status_code == 200
        assert (await send.get("/v1/ingest/status")).json()["clocks"] == []
        await send.events(*late)
        (clock,) = (await send.get("/v1/ingest/status")).json()["clocks"]
        assert clock["median"] == "behind"
        assert (await send.get("/v1/ingest/status", user="v:ingest-key")).json()["clocks"] == []

    ask(served, work)


def test_what_is_personal_is_dropped_or_made_a_pseudonym(served: Served) -> None:
    attributes = {"email": "ada@example.net", "size": 3, "IP": "203.0.113.9", "push_id": "token-1"}
    event = click("a", type="custom", name="x", user_id="+15551230001", attributes=attributes)

    async def work(send: Sender) -> None:
        answer = await send.events(event)
        assert {warning["code"] for warning in answer.json()["warnings"]} == {"pii_dropped"}

    ask(served, work)
    stored = repr(rows(served.engine, "toString(tuple(*))"))
    assert "p_" in stored
    assert not any(mark in stored for mark in ("ada@", "203.0.113.9", "token-1", "15551230001"))


ELSEWHERE = {
    "oversized, declared": "tests/intake/test_routes.py::test_a_body_that_is_too_large_is_refused_by_its_length",
    "oversized, chunked": "tests/http/test_bodies.py::test_an_undeclared_body_is_refused_as_soon_as_it_is_too_long",
    "lying length": "tests/http/test_bodies.py::test_a_body_shorter_than_declared_is_refused",
    "zstd window": "tests/intake/test_decode.py::test_zstd_may_not_ask_for_a_large_window",
    "slow body": "tests/http/test_bodies.py::test_a_body_that_never_ends_runs_into_the_time_limit",
    "headers": "tests/cli/test_serving.py::test_long_headers_are_refused",
    "deep payloads": "tests/hooks/test_managing.py::test_a_signed_delivery_that_is_nested_too_deeply_is_refused",
    "huge arrays": "tests/intake/test_routes.py::test_too_many_events",
    "days of a request": "tests/intake/test_validate_values.py::test_the_default_is_100_days",
    "wrong workspace on the Track Event path": "tests/hooks/test_managing.py::test_strange_bodies_are_refused",
    "formulas in exports": "tests/kit/test_spreadsheets.py::test_formulas_are_disarmed",
    "personal data at rest": (
        "tests/hooks/test_real_server.py::test_while_the_store_is_down_deliveries_wait_on_disk_through_a_kill"
    ),
    "webhook replay": "tests/hooks/test_replays.py::test_replays_change_nothing",
    "windows of signed times": "tests/hooks/test_vectors.py::test_signed_times_have_a_window",
    "Mailgun token bound to its body": "tests/hooks/test_vectors.py::test_a_mailgun_token_is_good_for_one_body",
    "forged SNS": "tests/hooks/test_receiving.py::test_a_forged_sns_message_is_refused_and_nobody_is_asked",
    "forged subscriptions": "tests/hooks/test_receiving.py::test_a_subscribe_url_elsewhere_is_not_asked",
    "signature downgrade": "tests/hooks/test_vectors.py::test_no_signature_is_a_wrong_one",
    "hook URL leaked": "tests/hooks/test_managing.py::test_the_life_of_a_hook",
    "proxy headers": "tests/http/test_proxies.py::test_who_is_calling",
    "Twilio's URL": "tests/hooks/test_vectors.py::test_twilio_signs_the_whole_address",
    "event_id squatting": (
        "tests/intake/test_committer.py::test_of_conflicting_copies_received_at_once_the_smallest_counts"
    ),
    "disk full": "tests/faults/test_disk.py::test_the_reserve_is_kept_free",
    "restart in mid-request": "tests/faults/test_kill.py::test_acknowledged_events_survive_and_count_once",
    "request smuggling": "tests/http/test_bodies.py::test_ambiguous_lengths_are_refused_unread",
    "pseudonyms": "tests/hooks/test_vectors.py::test_pseudonyms",
    "dimensions without end": (
        "tests/intake/test_committer.py::test_values_beyond_the_limits_of_a_campaign_are_counted_under_other"
    ),
}
"""Rows of the table that need more than a request: the test that holds each."""


@pytest.mark.parametrize("case", ELSEWHERE)
def test_the_other_rows_have_their_tests(case: str) -> None:
    path, _, name = ELSEWHERE[case].partition("::")
    assert re.search(rf"def {name}\(", (ROOT / path).read_text()), ELSEWHERE[case]
