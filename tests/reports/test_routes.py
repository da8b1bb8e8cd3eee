"""`/v1/reports` and its neighbours over HTTP, on both databases."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.testing import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from campanile.clock import FixedClock
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.http.openapi import document
from campanile.http.rate_limit import Limiter
from campanile.metadata import Metadata
from campanile.metadata.idempotency import IdempotencyKeys
from campanile.reports.openapi import OPERATIONS
from campanile.reports.preview import PreviewService
from campanile.reports.routes import report_routes
from campanile.reports.schemas import CHANNELS
from campanile.settings import Settings
from campanile.workspaces.schemas import CreatedWorkspace
from tests.reports.samples import DEFINITION, GONE, NOW, SMALL, changed
from tests.reports.shops import Shop, open_shop
from tests.reports.test_preview import WrittenRows

REPORTS = "/v1/reports"


class Desk:
    """A client with the keys of the owner; what it talks to has report routes only."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.workspaces = shop.workspaces
        self.definitions = shop.definitions
        self.limiter = Limiter(shop.clock)
        self.settings = Settings(report_calls=10**6)
        self.idempotency = IdempotencyKeys(shop.metadata, shop.clock)
        self.previews = PreviewService(WrittenRows(3), lambda _: 1, shop.clock)
        app = Litestar(
            report_routes(),
            dependencies={"services": Provide(lambda: self, sync_to_thread=False)},
            exception_handlers={Exception: ErrorRenderer()},
            openapi_config=None,
            logging_config=None,
        )
        self.client: Any = TestClient(wrap(app))

    def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        kind: str = "manage",
        owner: CreatedWorkspace | None = None,
        **headers: str,
    ) -> httpx.Response:
        """`content` is sent as JSON unless it is bytes; headers have `_` for `-`."""
        owner = owner or self.shop.owner
        secret = f"{owner.workspace.id}:{getattr(owner, f'{kind}_key')}"
        sent = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"}
        body = b""
        if content is not None:
            sent["Content-Type"] = "application/json"
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        response: httpx.Response = self.client.request(method, path, content=body, headers=sent)
        return response

    def create(self, base: dict[str, Any] = SMALL, **members: Any) -> dict[str, Any]:
        response = self.ask("POST", REPORTS, changed(base, **members))
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def desk(metadata: Metadata, clock: FixedClock) -> Iterator[Desk]:
    desk = Desk(open_shop(metadata, clock))
    with desk.client:
        yield desk


def error(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()
    assert set(body) == {"error", "errors"}
    assert body["error"]["request_id"]
    first = {name: body["error"][name] for name in ("type", "message", "attribute")}
    assert body["errors"][0] == first
    return response.status_code, first["type"], first["attribute"]


# --- the life of a definition


def test_create_and_get(desk: Desk) -> None:
    response = desk.ask("POST", REPORTS, DEFINITION)
    made = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{REPORTS}/{made['id']}"
    assert response.headers["etag"] == '"1"'
    expected = changed(DEFINITION, team_ids=GONE, selection__filters__approved_by=GONE)
    assert {name: made[name] for name in expected} == expected
    assert made["stem"] == "Daily_campaigns_T-1"
    assert made["version"] == 1
    assert made["created_at"] == made["updated_at"] == "2025-03-05T12:00:00Z"
    assert made["next_run_at"] == "2025-03-06T00:30:00Z"
    assert made["next_slots"][0] == {
        "at": "2025-03-06T00:30:00Z",
        "file_date": "20250306",
        "schedule_time": "2025-03-06T06:00:00+05:30",
        "workspace_time": "2025-03-06T06:00:00+05:30",
    }
    assert len(made["next_slots"]) == 5
    assert (made["last_run"], made["warnings"]) == (None, [])
    got = desk.ask("GET", f"{REPORTS}/{made['id']}")
    assert (got.status_code, got.json(), got.headers["etag"]) == (200, made, '"1"')
    assert got.headers["cache-control"] == "no-store"


def test_the_owner_is_the_key_that_made_it(desk: Desk) -> None:
    keys = {key.kind: key.id for key in desk.workspaces.list_keys("SHOP")}
    assert desk.create()["owner"] == keys["manage"]


def test_a_dry_run_stores_nothing(desk: Desk) -> None:
    response = desk.ask("POST", f"{REPORTS}?dry_run=true", changed(SMALL, schedule__time_zone="America/New_York"))
    shown = response.json()
    assert response.status_code == 200
    assert (shown["name"], shown["state"], shown["format"]["type"]) == ("Small", "ACTIVE", "csv")
    assert shown["next_slots"][0]["schedule_time"] == "2025-03-06T06:00:00-05:00"
    assert shown["next_slots"][0]["workspace_time"] == "2025-03-06T16:30:00+05:30"
    assert [warning["code"] for warning in shown["warnings"]] == ["time_zone_differs"]
    assert "id" not in shown
    assert desk.ask("GET", REPORTS).json() == {"reports": [], "next_cursor": None}
    assert error(desk.ask("POST", f"{REPORTS}?dry_run=yes", SMALL)) == (400, "invalid_parameter", "dry_run")


def test_everything_wrong_is_listed(desk: Desk) -> None:
    raw = changed(SMALL, name="1", delivery={}, selection__date_range={"type": "rolling", "days": 91})
    response = desk.ask("POST", REPORTS, raw)
    assert error(response) == (422, "name_invalid", "name")
    assert [(entry["type"], entry["attribute"]) for entry in response.json()["errors"]] == [
        ("name_invalid", "name"),
        ("range_too_long", "selection.date_range.days"),
        ("no_delivery", "delivery"),
    ]


def test_put_and_patch(desk: Desk) -> None:
    made = desk.create()
    path = f"{REPORTS}/{made['id']}"
    put = desk.ask("PUT", path, changed(SMALL, name="Other"), If_Match='"1"')
    assert (put.status_code, put.json()["name"], put.json()["version"]) == (200, "Other", 2)
    assert put.headers["etag"] == '"2"'
    patched = desk.ask("PATCH", path, {"schedule": {"time": "07:00"}}, Content_Type="application/merge-patch+json")
    assert (patched.status_code, patched.json()["schedule"]["time"], patched.json()["version"]) == (200, "07:00", 3)
    assert patched.json()["next_run_at"] == "2025-03-06T01:30:00Z"
    assert desk.ask("PATCH", path, {"on_empty": "header_only"}).json()["version"] == 4, "plain JSON will do"
    again = desk.ask("PUT", path, desk.ask("GET", path).json())
    assert (again.status_code, again.json()["version"]) == (200, 4), "what was got may be put"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_conditions(desk: Desk, method: str) -> None:
    path = f"{REPORTS}/{desk.create()['id']}"
    body = None if method == "DELETE" else changed(SMALL, name="Other")
    for stale in ('"2"', '"9", "8"', 'W/"1"', '"x"'):
        assert error(desk.ask(method, path, body, If_Match=stale)) == (412, "version_mismatch", "")
    assert error(desk.ask(method, path, body, If_Match="1")) == (400, "invalid_value", "If-Match")
    assert desk.ask("GET", path).json()["name"] == "Small"
    assert desk.ask(method, path, body, If_Match='"7", "1"').status_code in (200, 204)


def test_any_version_matches_a_star(desk: Desk) -> None:
    path = f"{REPORTS}/{desk.create()['id']}"
    assert desk.ask("PATCH", path, {"name": "Other"}, If_Match="*").status_code == 200


def test_delete(desk: Desk) -> None:
    made = desk.create()
    path = f"{REPORTS}/{made['id']}"
    deleted = desk.ask("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "content-type" not in deleted.headers
    assert error(desk.ask("GET", path)) == (404, "not_found", "report_id")
    assert error(desk.ask("DELETE", path)) == (404, "not_found", "report_id")
    assert desk.shop.runs.calls == [("retire", "SHOP", made["id"])]
    desk.create()


def test_states(desk: Desk) -> None:
    made = desk.create(state="DRAFT")
    path = f"{REPORTS}/{made['id']}"
    assert (made["state"], made["next_run_at"]) == ("DRAFT", None)
    for action, state in (
        ("activate", "ACTIVE"),
        ("activate", "ACTIVE"),
        ("pause", "PAUSED"),
        ("pause", "PAUSED"),
        ("resume", "ACTIVE"),
        ("resume", "ACTIVE"),
    ):
        moved = desk.ask("POST", f"{path}/{action}")
        assert (moved.status_code, moved.json()["state"], moved.headers["etag"]) == (200, state, '"1"')
    draft = desk.ask("POST", f"{path}/duplicate").json()
    assert error(desk.ask("POST", f"{REPORTS}/{draft['id']}/pause")) == (409, "invalid_state", "state")
    assert error(desk.ask("POST", f"{path}/pause", {"a": 1})) == (400, "unknown_field", "body")


def test_duplicate(desk: Desk) -> None:
    made = desk.create(DEFINITION)
    path = f"{REPORTS}/{made['id']}/duplicate"
    copied = desk.ask("POST", path)
    assert (copied.status_code, copied.json()["name"]) == (201, "Copy of Daily campaigns T-1")
    assert copied.headers["location"] == f"{REPORTS}/{copied.json()['id']}"
    assert copied.json()["state"] == "DRAFT"
    named = desk.ask("POST", path, {"name": "Mine"})
    assert named.json()["name"] == "Mine"
    assert error(desk.ask("POST", path, {"name": "mine"})) == (409, "name_conflict", "name")
    assert error(desk.ask("POST", path, {"name": 5})) == (422, "invalid_type", "name")
    assert error(desk.ask("POST", path, {"nam": "x"})) == (400, "unknown_field", "nam")


def test_versions(desk: Desk) -> None:
    made = desk.create()
    desk.ask("PATCH", f"{REPORTS}/{made['id']}", {"schedule": {"time": "07:00"}})
    found = desk.ask("GET", f"{REPORTS}/{made['id']}/versions").json()["versions"]
    assert [version["version"] for version in found] == [2, 1]
    assert found[0]["changes"] == [{"attribute": "schedule.time", "before": "06:00", "after": "07:00"}]
    assert found[0]["saved_by"] == made["owner"]
    assert found[0]["saved_at"] == "2025-03-05T12:00:00Z"


def test_run_and_backfill(desk: Desk) -> None:
    made = desk.create(schedule__start_date="2025-03-01")
    path = f"{REPORTS}/{made['id']}"
    ran = desk.ask("POST", f"{path}/run")
    assert (ran.status_code, ran.json()) == (202, {"id": "run-1", "file_date": "2025-03-05"})
    assert desk.ask("POST", f"{path}/run", {"file_date": "2025-03-01"}).status_code == 202
    assert error(desk.ask("POST", f"{path}/run", {"file_date": "2025-03-06"})) == (422, "invalid_value", "file_date")
    filled = desk.ask("POST", f"{path}/backfill", {"from": "2025-03-03", "to": "2025-03-05"})
    assert filled.status_code == 202
    assert [run["id"] for run in filled.json()["runs"]] == [f"run-2025-03-0{day}" for day in (3, 4, 5)]
    assert error(desk.ask("POST", f"{path}/backfill", {})) == (422, "required", "from")


def test_previews(desk: Desk) -> None:
    made = desk.create()
    stored = desk.ask("POST", f"{REPORTS}/{made['id']}/preview", kind="report")
    unfinished = changed(SMALL, name="Other", schedule=GONE, delivery=GONE)
    given = desk.ask("POST", "/v1/report-previews", unfinished, kind="report")
    assert stored.status_code == given.status_code == 200
    assert stored.json() == given.json()
    (sheet,) = stored.json()["channels"]
    assert (sheet["channel"], len(sheet["rows"]), sheet["columns"][0]["key"]) == ("EMAIL", 3, "campaign.id")
    assert error(desk.ask("POST", "/v1/report-previews", {}, kind="report")) == (422, "required", "name")


def test_columns(desk: Desk) -> None:
    everything = desk.ask("GET", "/v1/report-columns", kind="report").json()["columns"]
    assert {column["channel"] for column in everything} == set(CHANNELS)
    found = desk.ask("GET", "/v1/report-columns?channel=EMAIL&q=UNIQUE%20OPENS").json()["columns"]
    assert [(column["key"], column["header"], column["type"]) for column in found] == [
        ("campaign-stats.unique_opens", "Unique opens", "integer")
    ]
    assert set(found[0]) == {
        "channel", "key", "header", "type", "source_metric", "attribution_dependent", "split_support",
        "default_selected",
    }  # fmt: skip
    goals = "/v1/report-columns?channel=EMAIL&q=goal_1.total_conversions.cvr"
    assert desk.ask("GET", goals).json()["columns"] == []
    assert len(desk.ask("GET", f"{goals}&attribution_model=last_interaction").json()["columns"]) == 1
    desk.workspaces.update_settings("SHOP", {"attribution_model": "last_interaction"})
    assert len(desk.ask("GET", goals).json()["columns"]) == 1
    assert error(desk.ask("GET", "/v1/report-columns?channel=FLOWS")) == (400, "invalid_parameter", "channel")


def test_lists(desk: Desk) -> None:
    for name in ("A", "B", "C"):
        desk.create(name=name)
        desk.shop.clock.advance(1)
    page = desk.ask("GET", f"{REPORTS}?limit=2&sort=name", kind="report").json()
    assert [report["name"] for report in page["reports"]] == ["A", "B"]
    rest = desk.ask("GET", f"{REPORTS}?limit=2&sort=name&cursor={page['next_cursor']}").json()
    assert ([report["name"] for report in rest["reports"]], rest["next_cursor"]) == (["C"], None)
    wanted = f"{REPORTS}?q=b&status=ACTIVE&report_type=periodic&created_by={rest['reports'][0]['owner']}"
    assert [report["name"] for report in desk.ask("GET", wanted).json()["reports"]] == ["B"]
    assert desk.ask("GET", f"{REPORTS}?report_type=one_time").json()["reports"] == []


@pytest.mark.parametrize(
    ("parameters", "code", "attribute"),
    [
        ("limit=0", "invalid_parameter", "limit"),
        ("limit=101", "invalid_parameter", "limit"),
        ("limit=ten", "invalid_parameter", "limit"),
        ("status=DELETED", "invalid_parameter", "status"),
        ("report_type=daily", "invalid_parameter", "report_type"),
        ("sort=owner", "invalid_parameter", "sort"),
        ("cursor=x", "invalid_cursor", "cursor"),
        ("page=2", "unknown_parameter", "page"),
    ],
)
def test_parameters_that_are_wrong(desk: Desk, parameters: str, code: str, attribute: str) -> None:
    assert error(desk.ask("GET", f"{REPORTS}?{parameters}")) == (400, code, attribute)


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"{", {}, (400, "invalid_json", "body")),
        (b"\xff", {}, (400, "invalid_json", "body")),
        (b"[" * 100_000, {}, (400, "invalid_json", "body")),
        (b'{"name":"\\ud800"}', {}, (400, "invalid_json", "body")),
        (b"[]", {}, (422, "invalid_type", "")),
        (b" " * (256 * 1024 + 1), {}, (413, "body_too_large", "")),
        (b"{}", {"Content_Type": "text/plain"}, (415, "unsupported_media_type", "")),
        (b"{}", {"Content_Encoding": "gzip"}, (415, "unsupported_media_type", "")),
        (b"{}", {"Idempotency_Key": "a b"}, (400, "invalid_idempotency_key", "Idempotency-Key")),
    ],
)
def test_bodies_that_are_wrong(
    desk: Desk, content: bytes, headers: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert error(desk.ask("POST", REPORTS, content, **headers)) == expected


# --- idempotency


def test_a_creation_with_a_key_is_made_once(desk: Desk) -> None:
    first = desk.ask("POST", REPORTS, SMALL, Idempotency_Key="k")
    again = desk.ask("POST", REPORTS, SMALL, Idempotency_Key="k")
    assert (again.status_code, again.content) == (201, first.content)
    for name in ("location", "etag"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["idempotent-replayed"] == "true"
    other = desk.ask("POST", REPORTS, changed(SMALL, name="Other"), Idempotency_Key="k")
    assert error(other) == (409, "idempotency_key_reused", "Idempotency-Key")
    assert len(desk.ask("GET", REPORTS).json()["reports"]) == 1


def test_a_run_with_a_key_is_started_once_per_report(desk: Desk) -> None:
    paths = [f"{REPORTS}/{desk.create(name=name)['id']}/run" for name in ("A", "B")]
    answers = [desk.ask("POST", path, Idempotency_Key="k").json()["id"] for path in (*paths, *paths)]
    assert answers == ["run-1", "run-2", "run-1", "run-2"]
    assert desk.ask("POST", paths[0]).json()["id"] == "run-3"


def test_a_refused_request_may_be_corrected_under_another_key(desk: Desk) -> None:
    assert desk.ask("POST", REPORTS, changed(SMALL, name="1"), Idempotency_Key="k").status_code == 422
    assert desk.ask("POST", REPORTS, changed(SMALL, name="1"), Idempotency_Key="k").status_code == 422
    assert desk.ask("POST", REPORTS, SMALL, Idempotency_Key="l").status_code == 201


def test_keys_of_workspaces_do_not_meet(desk: Desk) -> None:
    desk.ask("POST", REPORTS, SMALL, Idempotency_Key="k")
    other = desk.ask("POST", REPORTS, changed(SMALL, name="X"), owner=desk.shop.stranger, Idempotency_Key="k")
    assert other.status_code == 201


# --- who may


ROUTES = [
    (method, path.replace(":str", ""))
    for handler in report_routes()
    for path in handler.paths
    for method in sorted(handler.http_methods)
]
READERS = {"/v1/report-columns", "/v1/report-previews", f"{REPORTS}/{{report_id}}/preview"}


def reads(method: str, path: str) -> bool:
    return method == "GET" or path in READERS


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scopes(desk: Desk, method: str, path: str) -> None:
    made = desk.create()
    path = path.replace("{report_id}", made["id"])
    route = path.replace(made["id"], "{report_id}")
    assert error(desk.ask(method, path, kind="ingest"))[:2] == (403, "missing_scope")
    if not reads(method, route):
        assert error(desk.ask(method, path, kind="report"))[:2] == (403, "missing_scope")
    assert desk.client.request(method, path).status_code == 401
    assert error(desk.ask(method, path, MOE_APPKEY="STRANGER"))[:2] == (403, "workspace_mismatch")
    assert desk.ask("GET", f"{REPORTS}/{made['id']}").json() == made


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path in ROUTES if "{report_id}" in path])
def test_reports_of_others_are_unknown(desk: Desk, method: str, path: str) -> None:
    """The same answer as for an id that nobody has, to the byte."""
    made = desk.create()
    body = {"from": "2025-03-01", "to": "2025-03-02"} if path.endswith("backfill") else None
    body = changed(SMALL, name="Theirs") if method in ("PUT", "PATCH") else body
    answers = []
    for report_id in (made["id"], "rep_" + "0" * 20):
        answer = desk.ask(method, path.replace("{report_id}", report_id), body, owner=desk.shop.stranger)
        assert error(answer) == (404, "not_found", "report_id")
        answers.append({**answer.json()["error"], "request_id": ""})
    assert answers[0] == answers[1]
    assert desk.ask("GET", f"{REPORTS}/{made['id']}").json() == made
    assert desk.shop.runs.calls == []


def test_lists_of_others_are_empty(desk: Desk) -> None:
    desk.create()
    assert desk.ask("GET", REPORTS, owner=desk.shop.stranger).json()["reports"] == []


@pytest.mark.parametrize("report_id", ["%00", "..%2f..", "a%2Fb", "x" * 3000, "%E2%82%AC", "'; DROP TABLE x; --"])
def test_strange_ids(desk: Desk, report_id: str) -> None:
    assert desk.ask("GET", f"{REPORTS}/{report_id}").status_code == 404
    assert desk.ask("POST", f"{REPORTS}/{report_id}/pause", Idempotency_Key="k").status_code == 404


# --- the description


def test_the_description_is_valid_and_complete() -> None:
    OpenAPIV31SpecValidator(document(OPERATIONS)).validate()
    assert set(ROUTES) == {(operation.method, operation.path) for operation in OPERATIONS}
    for operation in OPERATIONS:
        assert operation.scope == ("reports:read" if reads(operation.method, operation.path) else "reports:write")


def test_the_described_document_accepts_what_the_server_accepts() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = next(operation for operation in OPERATIONS if operation.method == "PUT").bodies["application/json"]
    validator = jsonschema.Draft202012Validator(schema)
    for raw in (DEFINITION, SMALL):
        assert [problem.message for problem in validator.iter_errors(raw)] == []
    assert list(validator.iter_errors(changed(SMALL, colour=1)))
