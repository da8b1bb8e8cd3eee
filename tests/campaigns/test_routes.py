"""The endpoints: order of checks, statuses, headers and bodies."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide

from campanile.campaigns import routes
from campanile.campaigns.routes import campaign_routes
from campanile.campaigns.service import DOCUMENT_BYTES, CampaignService
from campanile.clock import FixedClock
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.campaigns.samples import DOCUMENTS, NEW, NOBODY, OTHER, RUN_1, SALE, lines, simple
from tests.http.apps import FixedIds, client_of
from tests.http.gates import FakeGate
from tests.http.test_auth import basic
from tests.support.metadata import sqlite_metadata

PATH = f"/v1/campaigns/{NEW}"
IMPORT = "/v1/campaigns/import"
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


class Shop:
    """The endpoints over the sample campaigns; requests carry the manage key unless they say otherwise."""

    def __init__(self, gate: FakeGate, manage_key: str, report_key: str) -> None:
        ids = FixedIds()
        self.gate = gate
        self.manage, self.report = basic("W", manage_key), basic("W", report_key)
        self.bearer = f"Bearer {manage_key}"
        self.app = wrap(
            Litestar(
                campaign_routes(),
                dependencies={"services": Provide(lambda: gate, sync_to_thread=False)},
                exception_handlers={Exception: ErrorRenderer(ids=ids)},
                openapi_config=None,
                logging_config=None,
                request_max_body_size=None,
            ),
            ids=ids,
        )

    def send(self, method: str, path: str, content: Any = b"", headers: dict[str, str | None] | None = None) -> Any:
        given = {"Authorization": self.manage, **(headers or {})}

        async def run() -> httpx.Response:
            async with client_of(self.app) as client:
                sent = {name: value for name, value in given.items() if value is not None}
                return await client.request(method, path, headers=sent, content=content)

        return anyio.run(run)

    def put(self, raw: Any, path: str = PATH, **headers: str | None) -> httpx.Response:
        content = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response: httpx.Response = self.send("PUT", path, content, {**JSON, **named})
        return response

    def load(self, body: bytes, query: str = "", **headers: str | None) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response: httpx.Response = self.send("POST", IMPORT + query, body, {**NDJSON, **named})
        return response


@pytest.fixture
def shop(_sqlite_template: Path, tmp_path: Path, clock: FixedClock) -> Iterator[Shop]:
    with sqlite_metadata(_sqlite_template, tmp_path) as metadata:
        gate: Any = FakeGate()
        gate.workspaces = WorkspaceService(metadata, MasterKey("a master key of at least 32 characters"), clock)
        gate.campaigns = CampaignService(metadata, clock)
        created = gate.workspaces.create("Shop", id="W")
        gate.campaigns.import_lines("W", lines(*DOCUMENTS))
        yield Shop(gate, created.manage_key, created.report_key)


def error(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()
    first = body["errors"][0]
    assert body["error"] == {**first, "request_id": "request-0001"}
    assert all(set(item) == {"type", "message", "attribute"} for item in body["errors"])
    return response.status_code, first["type"], first["attribute"]


def test_create_repeat_change(shop: Shop) -> None:
    created = shop.put(simple())
    assert (created.status_code, created.headers["etag"]) == (201, '"1"')
    assert created.headers["content-type"] == "application/json"
    assert created.json() == {"campaign_id": NEW, "result": "created", "revision": 1, "warnings": []}
    again = shop.put(simple(mood="good"), path=PATH.upper().replace("/V1/CAMPAIGNS", "/v1/campaigns"))
    assert (again.status_code, again.headers["etag"]) == (200, '"1"')
    assert again.json() == {
        "campaign_id": NEW,
        "result": "unchanged",
        "revision": 1,
        "warnings": [{"target": "mood", "message": "unknown field ignored"}],
    }
    changed = shop.put(simple(status="PAUSED"))
    assert (changed.status_code, changed.json()["result"], changed.headers["etag"]) == (200, "updated", '"2"')


def test_a_document_is_read_with_its_revision(shop: Shop) -> None:
    response = shop.send("GET", f"/v1/campaigns/{RUN_1}", headers={"Authorization": shop.report})
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    assert response.json()["basic_details"]["name"] == "Weekly Newsletter"
    for unknown in (NOBODY, "not-an-id"):
        assert error(shop.send("GET", f"/v1/campaigns/{unknown}")) == (404, "not_found", "campaign_id")


def test_bearer_keys_are_accepted(shop: Shop) -> None:
    assert shop.put(simple(), Authorization=shop.bearer).status_code == 201


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("PUT", PATH), ("POST", IMPORT)])
def test_credentials_and_scopes(shop: Shop, method: str, path: str) -> None:
    def send(headers: dict[str, str | None]) -> tuple[int, str, str]:
        # The media type is wrong as well: that must not be looked at before the credentials.
        return error(shop.send(method, path, b"x", headers))

    assert send({"Authorization": None}) == (401, "unauthenticated", "")
    assert send({"Authorization": basic("W", "wrong")}) == (401, "unauthenticated", "")
    assert send({"MOE-APPKEY": "V"}) == (403, "workspace_mismatch", "")
    if method != "GET":
        assert send({"Authorization": shop.report}) == (403, "missing_scope", "")


def test_all_problems_are_in_the_envelope(shop: Shop) -> None:
    response = shop.put({"channel": "FAX", "status": "running", "basic_details": {"tags": "sale"}})
    assert error(response) == (400, "enum", "channel")
    assert [(item["type"], item["attribute"]) for item in response.json()["errors"]] == [
        ("enum", "channel"),
        ("required", "campaign_delivery_type"),
        ("enum", "status"),
        ("required", "basic_details.name"),
        ("type", "basic_details.tags"),
    ]


@pytest.mark.parametrize(
    ("path", "raw", "expected"),
    [
        ("/v1/campaigns/camp_abc123", simple(), (400, "format", "campaign_id")),
        (PATH, simple(campaign_id=OTHER), (400, "format", "campaign_id")),
        (PATH, b"{", (400, "json", "body")),
        (PATH, b"", (400, "json", "body")),
        (PATH, b'"\xff"', (400, "json", "body")),
        (PATH, b"[" * 100_000, (400, "json", "body")),
        (PATH, [], (400, "type", "body")),
        (PATH, {"parent_id": RUN_1}, (409, "parent_is_child", "parent_id")),
        (PATH, {"parent_id": NOBODY}, (409, "unknown_parent", "parent_id")),
        (f"/v1/campaigns/{SALE}", simple(channel="SMS"), (409, "immutable", "channel")),
        (PATH, b" " * (DOCUMENT_BYTES + 1), (413, "body_too_large", "")),
    ],
)
def test_what_cannot_be_written(shop: Shop, path: str, raw: Any, expected: tuple[int, str, str]) -> None:
    assert error(shop.put(raw, path=path)) == expected


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}],
)
def test_documents_are_plain_json(shop: Shop, headers: dict[str, str | None]) -> None:
    response = shop.send("PUT", PATH, json.dumps(simple()).encode(), {**JSON, **headers})
    assert error(response) == (415, "unsupported_media_type", "")
    assert shop.put(simple(), Content_Type="Application/JSON; charset=utf-8").status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": '"1"'}, 412),
        ({"If-None-Match": 'W/"1"'}, 412),
        ({"If-None-Match": '"7"'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"1"'}, 200),
        ({"If-Match": '"9", "1" , "abc"'}, 200),
        ({"If-Match": 'W/"1"'}, 412),
        ({"If-Match": '"2"'}, 412),
        ({"If-Match": '"abc"'}, 412),
        ({"If-Match": "1"}, 400),
        ({"If-Match": ""}, 400),
        ({"If-Match": '"1" "2'}, 400),
    ],
)
def test_conditions(shop: Shop, headers: dict[str, str | None], status: int) -> None:
    assert shop.put(simple()).status_code == 201
    response = shop.send("PUT", PATH, json.dumps(simple()).encode(), {**JSON, **headers})
    assert response.status_code == status
    kinds = {412: ("precondition_failed", ""), 400: ("invalid_value", next(iter(headers)).lower())}
    if status in kinds:
        assert error(response) == (status, *kinds[status])


def test_a_condition_on_what_does_not_exist(shop: Shop) -> None:
    assert shop.put(simple(), If_Match="*").status_code == 412
    assert shop.put(simple(), If_None_Match="*").status_code == 201
    assert shop.put(simple(), If_None_Match="*").status_code == 412


def test_an_import_is_reported(shop: Shop) -> None:
    response = shop.load(lines({"campaign_id": NEW, **simple()}, {"campaign_id": "x"}, DOCUMENTS[0]))
    assert response.status_code == 200
    report = response.json()
    (failure,) = report.pop("errors")
    assert report == {
        "total": 3,
        "created": 1,
        "updated": 0,
        "unchanged": 1,
        "skipped": 0,
        "failed": 1,
        "errors_truncated": False,
    }
    first = {"type": "format", "message": "campaign_id must be 24 hexadecimal characters", "attribute": "campaign_id"}
    details = failure.pop("details")
    assert failure == {"line": 2, "campaign_id": "x", **first}
    assert details[0] == first
    assert len(details) == 4


def test_an_aborted_import_has_the_envelope_and_the_report(shop: Shop) -> None:
    response = shop.load(lines({"campaign_id": NEW, **simple()}, "{not json"), "?on_error=abort")
    assert response.status_code == 422
    body = response.json()
    assert body["error"] == {
        "type": "import_aborted",
        "message": "Nothing was imported because some lines are wrong.",
        "attribute": "",
        "request_id": "request-0001",
    }
    assert (body["total"], body["created"], body["failed"]) == (2, 0, 1)
    assert [(item["line"], item["type"], item["attribute"]) for item in body["errors"]] == [(2, "json", "body")]
    assert shop.send("GET", PATH).status_code == 404


def test_modes_and_dry_runs(shop: Shop) -> None:
    assert shop.load(lines({"campaign_id": SALE, "status": "STOPPED"}), "?mode=merge").json()["updated"] == 1
    assert shop.load(lines({"campaign_id": SALE, **simple()}), "?mode=skip").json()["skipped"] == 1
    assert shop.load(lines({"campaign_id": NEW, **simple()}), "?dry_run=true").json()["created"] == 1
    assert shop.send("GET", PATH).status_code == 404
    assert shop.load(lines({"campaign_id": NEW, **simple()}), "?dry_run=false&mode=replace").json()["created"] == 1


@pytest.mark.parametrize(
    ("query", "name"), [("?mode=upsert", "mode"), ("?on_error=stop", "on_error"), ("?dry_run=1", "dry_run")]
)
def test_a_wrong_choice_is_named(shop: Shop, query: str, name: str) -> None:
    assert error(shop.load(b"{}", query)) == (400, "invalid_value", name)


def test_imports_may_be_compressed(shop: Shop) -> None:
    packed = gzip.compress(lines({"campaign_id": NEW, **simple()}))
    assert shop.load(packed, Content_Encoding="GZIP").json()["created"] == 1
    broken = [b"no gzip", packed[:-1], packed + b"x", packed + packed]
    for body in broken:
        assert error(shop.load(body, Content_Encoding="gzip")) == (400, "invalid_encoding", "body")


def test_imports_are_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    body = lines({"campaign_id": NEW, **simple()})
    monkeypatch.setattr(routes, "IMPORT_BYTES", len(body))
    assert shop.load(body).status_code == 200
    assert error(shop.load(body + b"\n")) == (413, "body_too_large", "")
    assert error(shop.load(gzip.compress(body + b"\n"), Content_Encoding="gzip")) == (413, "body_too_large", "")


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "application/json"}, {"Content-Type": ""}, {"Content-Encoding": "br"}],
)
def test_imports_are_lines_of_json(shop: Shop, headers: dict[str, str | None]) -> None:
    response = shop.send("POST", IMPORT, b"{}", {**NDJSON, **headers})
    assert error(response) == (415, "unsupported_media_type", "")


def test_other_methods(shop: Shop) -> None:
    for method, path, allowed in (("DELETE", PATH, {"GET", "PUT"}), ("GET", IMPORT, {"POST"})):
        response = shop.send(method, path)
        assert error(response) == (405, "method_not_allowed", "")
        assert set(response.headers["allow"].split(", ")) == allowed
