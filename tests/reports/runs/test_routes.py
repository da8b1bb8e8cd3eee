"""`/v1/report-runs` over HTTP, together with the routes of definitions, on both databases."""

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

from campanile.campaigns.service import CampaignService
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.http.openapi import document
from campanile.http.rate_limit import Limiter
from campanile.metadata.idempotency import IdempotencyKeys
from campanile.reports.definitions import DefinitionService
from campanile.reports.preview import PreviewService
from campanile.reports.routes import report_routes
from campanile.reports.runs.openapi import OPERATIONS
from campanile.reports.runs.routes import run_routes
from campanile.settings import Settings
from campanile.workspaces.schemas import CreatedWorkspace
from tests.reports.runs.world import World
from tests.reports.samples import changed

RUNS = "/v1/report-runs"
REPORT: dict[str, Any] = {
    "name": "Push",
    "selection": {"scopes": [{"channel": "PUSH"}], "date_range": {"type": "rolling", "preset": "yesterday"}},
    "schedule": {"type": "once", "at": "asap"},
    "delivery": {"rest_api": True},
}


class Desk:
    """Both kinds of routes over a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workspaces = world.workspaces
        self.runs = world.runs
        campaigns = CampaignService(world.metadata, world.clock)
        self.definitions = DefinitionService(world.metadata, world.clock, campaigns, world.runs)
        self.previews = PreviewService(world.rows, lambda _: 1, world.clock)
        self.limiter = Limiter(world.clock)
        self.settings = Settings(report_calls=10**6)
        self.idempotency = IdempotencyKeys(world.metadata, world.clock)
        self.owner = world.workspaces.create("Owner", id="OWNER")
        self.stranger = world.workspaces.create("Stranger", id="STRANGER")
        app = Litestar(
            [*report_routes(), *run_routes()],
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
        key: str = "",
    ) -> httpx.Response:
        owner = owner or self.owner
        secret = f"{owner.workspace.id}:{getattr(owner, f'{kind}_key')}"
        headers = {
            "Authorization": f"Basic {b64encode(secret.encode()).decode()}",
            "Content-Type": "application/json",
            **({"Idempotency-Key": key} if key else {}),
        }
        body = b"" if content is None else json.dumps(content).encode()
        response: httpx.Response = self.client.request(method, path, content=body, headers=headers)
        return response

    def create(self, **members: Any) -> dict[str, Any]:
        response = self.ask("POST", "/v1/reports", changed(REPORT, **members))
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    def get(self, path: str, **options: Any) -> dict[str, Any]:
        response = self.ask("GET", path, **options)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    desk = Desk(world)
    with desk.client:
        yield desk


def error(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["type"]


def test_a_report_made_as_soon_as_possible(desk: Desk) -> None:
    made = desk.create()
    assert desk.world.runs.plan() == 1
    assert desk.world.runs.plan() == 0
    assert desk.get(f"/v1/reports/{made['id']}")["state"] == "COMPLETED"
    (run,) = desk.get(f"{RUNS}?definition_id={made['id']}")["runs"]
    assert (run["status"], run["trigger"], run["file_date"]) == ("QUEUED", "schedule", "20250302")
    assert run["window"] == {"start": "2025-03-01", "end": "2025-03-01"}
    assert error(desk.ask("GET", f"{RUNS}/{run['id']}/manifest")) == (409, "not_ready")
    desk.world.work()
    done = desk.get(f"{RUNS}/{run['id']}", kind="report")
    assert (done["status"], done["file_name"], done["progress"]) == ("SUCCESSFUL", "Push_20250302.zip", 1.0)
    manifest = desk.get(f"{RUNS}/{run['id']}/manifest", kind="report")
    assert [file["rows"] for file in manifest["files"]] == [2]
    assert desk.get(f"/v1/reports/{made['id']}")["last_run"]["id"] == run["id"]
    assert desk.get("/v1/reports")["reports"][0]["last_run"] == done


def test_a_schedule_runs_day_after_day(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00", "start_date": "2025-03-01"})
    for _ in range(3):
        desk.world.clock.advance(24 * 3600)
        desk.world.runs.plan()
        desk.world.work()
    runs = desk.get(f"{RUNS}?definition_id={made['id']}")["runs"]
    assert [run["file_name"] for run in runs] == [f"Push_2025030{day}.zip" for day in (4, 3, 2)]
    found = desk.get(f"{RUNS}?file_date_from=20250303&file_date_to=2025-03-03")["runs"]
    assert [run["file_date"] for run in found] == ["20250303"]


def test_runs_somebody_asks_for(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00", "start_date": "2025-02-01"})
    path = f"/v1/reports/{made['id']}"
    run = desk.ask("POST", f"{path}/run", {"file_date": "20250228"}).json()
    assert (run["status"], run["trigger"], run["file_date"]) == ("QUEUED", "manual", "20250228")
    order = {"from": "2025-02-26", "to": "2025-02-28"}
    filled = desk.ask("POST", f"{path}/backfill", order).json()["runs"]
    assert [item["file_date"] for item in filled] == ["20250226", "20250227", "20250228"]
    desk.world.work()
    assert desk.ask("POST", f"{path}/backfill", order).json()["runs"] == [], "the files are there"
    assert {item["status"] for item in desk.get(RUNS)["runs"]} == {"SUCCESSFUL"}


def test_cancel_and_retry(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00"})
    run = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    path = f"{RUNS}/{run['id']}"
    assert error(desk.ask("POST", f"{path}/retry")) == (409, "invalid_state")
    first = desk.ask("POST", f"{path}/cancel", key="k")
    assert (first.status_code, first.json()["status"]) == (202, "CANCELLED")
    again = desk.ask("POST", f"{path}/cancel", key="k")
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert desk.ask("POST", f"{path}/cancel").json()["status"] == "CANCELLED"
    assert error(desk.ask("POST", f"{path}/cancel", {"now": True})) == (400, "unknown_field")


def test_pages(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00"})
    for _ in range(5):
        desk.ask("POST", f"/v1/reports/{made['id']}/run")
    whole = [run["id"] for run in desk.get(RUNS)["runs"]]
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = desk.get(f"{RUNS}?limit=2" + (f"&cursor={cursor}" if cursor else ""))
        found += [run["id"] for run in page["runs"]]
        cursor = page["next_cursor"]
    assert found == whole
    assert len(whole) == 5
    assert desk.get(f"{RUNS}?status=FAILED")["runs"] == []


def test_deleting_a_report_ends_its_runs_and_frees_its_name(desk: Desk) -> None:
    made = desk.create()
    desk.world.runs.plan()
    desk.world.work()
    waiting = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    assert desk.ask("DELETE", f"/v1/reports/{made['id']}").status_code == 204
    assert desk.get(f"{RUNS}/{waiting['id']}")["status"] == "CANCELLED"
    assert desk.world.stored() == []
    assert desk.create()["id"] != made["id"]


def test_a_renamed_report_keeps_its_old_name_from_others(desk: Desk) -> None:
    made = desk.create()
    desk.world.runs.plan()
    desk.world.work()
    desk.ask("PATCH", f"/v1/reports/{made['id']}", {"name": "New"})
    assert error(desk.ask("POST", "/v1/reports", REPORT)) == (409, "name_conflict")
    desk.world.clock.advance(7 * 24 * 3600)
    assert desk.ask("POST", "/v1/reports", REPORT).status_code == 201


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("status=DONE", "invalid_parameter"),
        ("file_date_from=today", "invalid_parameter"),
        ("file_date_to=2025-02-30", "invalid_parameter"),
        ("definition_id=%00", "invalid_parameter"),
        ("limit=1000", "invalid_parameter"),
        ("cursor=x", "invalid_cursor"),
        ("state=QUEUED", "unknown_parameter"),
    ],
)
def test_parameters_that_are_wrong(desk: Desk, parameters: str, code: str) -> None:
    assert error(desk.ask("GET", f"{RUNS}?{parameters}")) == (400, code)


ROUTES = [
    (method, path.replace(":str", ""))
    for handler in run_routes()
    for path in handler.paths
    for method in sorted(handler.http_methods)
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_may(desk: Desk, method: str, path: str) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00"})
    run = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    path = path.replace("{run_id}", run["id"])
    body = {"recipients": ["a@example.com"]} if path.endswith("/send") else None
    assert desk.client.request(method, path).status_code == 401
    assert error(desk.ask(method, path, body, kind="ingest")) == (403, "missing_scope")
    if method == "POST" or path.endswith("-secret"):
        assert error(desk.ask(method, path, body, kind="report")) == (403, "missing_scope")
    theirs = desk.ask(method, path, body, owner=desk.stranger)
    if run["id"] in path:
        nobodys = desk.ask(method, path.replace(run["id"], "run_" + "0" * 20), body, owner=desk.stranger)
        assert error(theirs) == error(nobodys) == (404, "not_found")
        assert theirs.json()["errors"] == nobodys.json()["errors"]
    elif path == RUNS:
        assert theirs.json()["runs"] == []
    else:
        assert theirs.json() != desk.ask(method, path).json()
    assert desk.get(f"{RUNS}/{run['id']}") == run


@pytest.mark.parametrize("run_id", ["%00", "..%2f..", "x" * 3000, "%E2%82%AC"])
def test_strange_ids(desk: Desk, run_id: str) -> None:
    assert desk.ask("GET", f"{RUNS}/{run_id}").status_code == 404
    assert desk.ask("POST", f"{RUNS}/{run_id}/cancel", key="k").status_code == 404


def test_a_file_is_mailed_to_others(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00"})
    run = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    path, body = f"{RUNS}/{run['id']}/send", {"recipients": ["a@example.com", "A@example.com", "b@example.org"]}
    assert error(desk.ask("POST", path, body)) == (409, "no_file")
    desk.world.work()
    sent = desk.ask("POST", path, body, key="once")
    assert sent.status_code == 202
    assert [(found["type"], found["target"], found["state"]) for found in sent.json()["deliveries"]] == [
        ("email", "a@example.com", "PENDING"),
        ("email", "b@example.org", "PENDING"),
    ]
    again = desk.ask("POST", path, body, key="once")
    assert again.headers["idempotent-replayed"] == "true"
    assert len(desk.get(f"{RUNS}/{run['id']}")["deliveries"]) == 2
    desk.workspaces.update_settings("OWNER", {"report_email_domains": "example.org"})
    assert error(desk.ask("POST", path, body)) == (422, "recipient_not_allowed")
    desk.world.clock.advance(7 * 24 * 3600)
    assert error(desk.ask("POST", path, {"recipients": ["b@example.org"]})) == (409, "no_file")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"recipients": []}, "required"),
        ({"recipients": "a@example.com"}, "invalid_type"),
        ({"recipients": ["nobody"]}, "invalid_value"),
        ({"recipients": ["a@example.com\r\nBcc: b@example.com"]}, "invalid_value"),
        ({"recipients": [f"a{number}@example.com" for number in range(16)]}, "too_many_recipients"),
        ({"recipients": ["a@example.com"], "colour": "red"}, "unknown_field"),
    ],
)
def test_recipients_that_are_wrong(desk: Desk, body: Any, code: str) -> None:
    answer = desk.ask("POST", f"{RUNS}/run_{'0' * 20}/send", body)
    assert error(answer) == (400 if code == "unknown_field" else 422, code)


def test_the_secret_of_webhooks_stays_the_same(desk: Desk) -> None:
    first = desk.get("/v1/report-webhook-secret")["secret"]
    assert first.startswith("whsec_")
    assert first == desk.get("/v1/report-webhook-secret")["secret"]


def test_a_manifest(desk: Desk) -> None:
    made = desk.create(schedule={"type": "daily", "time": "06:00"})
    run = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    path = f"{RUNS}/{run['id']}/manifest"
    assert error(desk.ask("GET", path)) == (409, "not_ready")
    desk.world.work()
    manifest = desk.get(path, kind="report")
    assert (manifest["run_id"], manifest["name"], manifest["mark"]) == (run["id"], "Push", 1000)
    assert [part["name"] for part in manifest["files"]] == ["Push_PUSH_20250302.csv"]
    assert len(manifest["files"][0]["columns"]) == 2
    desk.world.rows.batches = {}
    nothing = desk.ask("POST", f"/v1/reports/{made['id']}/run").json()
    desk.world.work()
    assert error(desk.ask("GET", f"{RUNS}/{nothing['id']}/manifest")) == (404, "no_data")


def test_the_description_is_valid_and_complete() -> None:
    OpenAPIV31SpecValidator(document(OPERATIONS)).validate()
    assert set(ROUTES) == {(operation.method, operation.path) for operation in OPERATIONS}
