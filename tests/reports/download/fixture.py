"""The files that the vectors ask for, and an application that serves nothing else.

Run as a program, it is the whole server with these files, at the instant of the vectors:
`python -m tests.reports.download.fixture PORT FOLDER [granian|uvicorn]`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from litestar import Litestar
from litestar.di import Provide

from campanile.clock import FixedClock
from campanile.http.errors import ErrorRenderer
from campanile.http.middleware import wrap
from campanile.http.rate_limit import Limiter, open_limiter
from campanile.jobs.queue import Job
from campanile.metadata import migrate, open_metadata
from campanile.reports.download.routes import download_envelopes, download_routes
from campanile.reports.download.service import DownloadService
from campanile.reports.runs.daily import DailyPlanner
from campanile.reports.runs.orders import RUN_JOB
from campanile.reports.schemas import EmailDelivery, RestDelivery
from campanile.settings import Settings
from campanile.workspaces.service import WorkspaceService
from tests.reports.runs.world import SECRET_KEY, World

A, B = "WSDEMO0000000000000000A1", "WSDEMO0000000000000000B2"
NOW = datetime(2021, 2, 20, 12, 0, tzinfo=UTC)
PREFIXES = {"P": "/campaign_reports/rest_api/", "L": "/dailyCampaignReportDump/"}


class FileServices(msgspec.Struct, frozen=True):
    """What the routes of files need."""

    settings: Settings
    limiter: Limiter
    workspaces: WorkspaceService
    downloads: DownloadService


class Answer(NamedTuple):
    """A response as it was sent."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


def vectors() -> list[dict[str, Any]]:
    path = Path(__file__).parents[2] / "golden" / "report_download_vectors.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def request_of(vector: dict[str, Any]) -> tuple[str, str, str, dict[str, str]]:
    """Method, raw path, query and headers of a vector."""
    prefix, _, rest = vector["path"].partition(":")
    headers = dict(vector.get("send_headers", {}))
    if "sig" in vector:
        headers["Signature"] = vector["sig"]
    return vector.get("method", "GET"), PREFIXES[prefix] + rest, vector.get("q", ""), headers


def check(vector: dict[str, Any], answer: Answer) -> None:
    """The answer is what the vector says."""
    assert answer.status == vector["status"], answer
    for name, value in vector.get("headers", {}).items():
        assert answer.headers.get(name.lower()) == value, (name, answer.headers)
    for name in vector.get("no_headers", []):
        assert name.lower() not in answer.headers
    if vector.get("zip"):
        assert answer.body.startswith(b"PK\x03\x04")
        assert answer.headers["content-length"] == str(len(answer.body))
    if "raw_body" in vector:
        assert answer.body == vector["raw_body"].encode()
    if "err" in vector:
        attribute, message = vector["err"]
        error = json.loads(answer.body)["error"]
        assert error.keys() == {"attribute", "message", "type", "request_id"}
        assert (error["attribute"], error["message"], error["type"]) == (attribute, message, "BAD REQUEST")
        assert len(error["request_id"]) == 8
        assert error["request_id"].isascii()
        assert error["request_id"].isalpha()
        assert answer.headers["content-type"] == "application/json"


def world_of_vectors(folder: Path) -> World:
    """Both workspaces with their files, at the instant of the vectors."""
    metadata = open_metadata(f"sqlite:///{folder}/metadata.db")
    migrate(metadata.engine)
    clock = FixedClock(datetime(2021, 2, 9, 6, 0, tzinfo=UTC))
    world = World(metadata, clock, folder)
    world.workspaces.create("A", id=A, report_key="demo-campaign-key-A1")
    world.workspaces.create_key(A, "report", value="demo-app-secret-A1")
    world.workspaces.create("B", id=B, report_key="demo-campaign-key-B2")

    def define(name: str, workspace_id: str = A, **spec: Any) -> Any:
        return world.define(name, workspace_id=workspace_id, active=False, **spec)

    def generate(definition: Any, *at: int) -> None:
        clock.set(datetime(2021, 2, *at, tzinfo=UTC))
        world.start(definition, day=date(2021, 2, at[0]))
        assert world.work() == 1

    first = define("Report - test")
    generate(first, 9, 6)
    generate(define("Edge"), 13, 12)
    generate(define("Edge2"), 13, 12, 0, 1)
    generate(define("API TX PN"), 17, 6)
    generate(define("Other", B), 17, 6)
    generate(first, 17, 6)
    link = EmailDelivery(recipients=("a@example.com",))
    generate(define("Mailed", delivery=(link,)), 17, 6)
    generate(define("Locked", delivery=(RestDelivery(), msgspec.structs.replace(link, require_login=True))), 17, 6)
    clock.set(datetime(2021, 2, 18, 4, 0, tzinfo=UTC))
    planner = DailyPlanner(metadata, clock, world.queue, world.workspaces.list, lambda: None, time(4))
    assert planner.plan() == 2
    assert world.work() == 2
    clock.set(NOW)
    assert world.runs.purge() == 2
    world.start(define("Queued"), day=date(2021, 2, 20))
    asyncio.run(_begin(world))
    failed = define("Broken")
    world.rows.before = _break
    world.start(failed, day=date(2021, 2, 20))
    assert world.work() == 1
    return world


async def _begin(world: World) -> None:
    job: Job | None = world.queue.claim([RUN_JOB])
    assert job is not None
    assert world.generator._begin(job) is not None


def _break() -> None:
    raise ZeroDivisionError


def application(world: World, settings: Settings) -> Litestar:
    services = FileServices(
        settings=settings,
        limiter=open_limiter("memory://", world.clock),
        workspaces=world.workspaces,
        downloads=DownloadService(
            world.metadata, world.clock, world.workspaces, world.store, hide_unknown=settings.hide_unknown_app_id
        ),
    )
    app = Litestar(
        route_handlers=download_routes(),
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        exception_handlers={Exception: ErrorRenderer(download_envelopes())},
        openapi_config=None,
        logging_config=None,
    )
    return wrap(app)


def main(port: str, folder: str, http_server: str = "granian") -> None:
    from campanile.app import application as whole
    from campanile.app import build_services
    from campanile.cli.serving import run_server
    from campanile.http.logs import configure_logging

    configure_logging("info")
    world_of_vectors(Path(folder)).metadata.close()
    settings = Settings(data=folder, port=int(port), http_server=http_server, secret_key=SECRET_KEY, report_jobs=0)
    run_server(whole(build_services(settings, FixedClock(NOW))), settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
