"""`campanile worker` processes on a cluster and PostgreSQL, beside a server that leaves the reports to them."""

from __future__ import annotations

import csv
import io
import json
import signal
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clickhouse import clickhouse_cluster
from tests.support.postgres import postgres_database
from tests.support.processes import wait_until
from tests.support.server import Server, WorkerProcess

pytestmark = pytest.mark.slow

CAMPAIGNS, DAYS = 300, 30
"""Size of a report that takes some seconds."""
SECONDS = 180
"""A killed worker is given up after a minute."""


class Site:
    """A server, a place for files, and the workers of a test."""

    def __init__(self, stack: ExitStack, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.settings = settings | {"files_url": self.files.as_uri()}
        self.server = Server(folder / "server", {**self.settings, "report_jobs": "0"})
        stack.callback(self.server.stop)
        self.server.start()
        self.credentials = self.server.create_workspace("Workers")
        self.client = stack.enter_context(httpx.Client(base_url=self.server.url, timeout=60))
        self._stack = stack
        self._hired = 0

    def hire(self) -> WorkerProcess:
        self._hired += 1
        worker = WorkerProcess(self.folder / f"worker-{self._hired}", self.settings)
        self._stack.callback(worker.kill)
        worker.start()
        return worker

    def ask(self, method: str, path: str, content: Any = None, key: str = "") -> Any:
        pair = f"{self.credentials.workspace_id}:{key or self.credentials.manage_key}"
        headers = {"Authorization": "Basic " + b64encode(pair.encode()).decode(), "Content-Type": "application/json"}
        body = b"" if content is None else json.dumps(content).encode()
        response = self.client.request(method, path, content=body, headers=headers)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def define(self, name: str, first: str, last: str, *, by_day: bool = False) -> str:
        document = {
            "name": name,
            "selection": {
                "scopes": [{"channel": "PUSH"}],
                "date_range": {"type": "absolute", "start": first, "end": last},
            },
            "content": {"split": {"date": by_day}},
            "schedule": {"type": "once", "at": "asap"},
            "delivery": {"rest_api": True},
        }
        made: str = self.ask("POST", "/v1/reports", document)["id"]
        return made

    def runs(self, report_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/v1/report-runs?definition_id={report_id}")["runs"]
        return found

    def until(self, report_id: str, met: Callable[[dict[str, Any]], bool], *, seconds: float = SECONDS) -> Any:
        """The one run of a report, once something is true of it."""

        def is_met() -> bool:
            runs = self.runs(report_id)
            assert len(runs) <= 1
            return bool(runs) and met(runs[0])

        wait_until(is_met, seconds=seconds, what=f"run of {report_id}")
        return self.runs(report_id)[0]

    def download(self, name: str) -> httpx.Response:
        workspace_id, key = self.credentials.workspace_id, self.credentials.report_key
        signature = sha256(f"{workspace_id}|{name}|{key}".encode()).hexdigest()
        return self.client.get(f"/campaign_reports/rest_api/{workspace_id}/{name}", headers={"Signature": signature})

    def rows(self, run: dict[str, Any]) -> list[dict[str, str]]:
        """What the file of a finished run says; it is the one that the run names."""
        response = self.download(run["file_name"])
        assert response.status_code == 200, response.text
        assert sha256(response.content).hexdigest() == run["sha256"]
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            (member,) = archive.namelist()
            text = archive.read(member).decode()
        found = list(csv.DictReader(io.StringIO(text)))
        assert len(found) == run["files"][0]["rows"]
        return found

    def complete_files(self) -> set[str]:
        return {path.name for path in self.files.glob("??/*") if "#" not in path.name}


@pytest.fixture(name="site")
def _site(postgres_url: str, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        cluster = stack.enter_context(clickhouse_cluster())
        yield Site(
            stack,
            tmp_path,
            {
                "engine_url": cluster.url,
                "metadata_url": stack.enter_context(postgres_database(postgres_url)),
                "secret_key": "a key of thirty-two characters or more",
                "min_free_bytes": "0",
                "report_calls": "1000000",
            },
        )


def send(site: Site, campaigns: int, days: int) -> tuple[str, str]:
    """One push per campaign and day, by as many people as the number of the campaign; first and last day."""
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=days - 1)
    lines = [
        {
            "event_id": f"{campaign}-{day}",
            "type": "sent",
            "time": f"{first + timedelta(days=day)}T12:00:00Z",
            "campaign_id": f"{campaign:024x}",
            "channel": "PUSH",
            "platform": "ANDROID",
            "user_id": f"u{campaign}",
        }
        for campaign in range(1, campaigns + 1)
        for day in range(days)
    ]
    receipt = site.ask("POST", "/v1/events", lines, key=site.credentials.ingest_key)
    assert receipt["accepted"] == campaigns * days
    return first.isoformat(), last.isoformat()


def test_two_workers_make_every_report_once(site: Site) -> None:
    days = send(site, 5, 3)
    workers = [site.hire(), site.hire()]
    reports = [site.define(f"Report {number}", *days) for number in range(12)]
    runs = [site.until(report, lambda run: run["status"] in ("SUCCESSFUL", "FAILED")) for report in reports]
    assert {(run["status"], run["attempt"]) for run in runs} == {("SUCCESSFUL", 1)}
    for run in runs:
        assert [row["Campaign ID"] for row in site.rows(run)] == [f"{number:024x}" for number in range(1, 6)]
    assert len(site.complete_files()) == 12
    for worker in workers:
        assert worker.end(signal.SIGTERM) == 0
    assert [len(site.runs(report)) for report in reports] == [1] * 12


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_the_report_of_a_worker_that_ends_is_made_by_another(site: Site, how: signal.Signals) -> None:
    """Killed, it is given up after a minute; told to end, it gives the report back at once."""
    days = send(site, CAMPAIGNS, DAYS)
    first = site.hire()
    report = site.define("Long report", *days, by_day=True)
    site.until(report, lambda run: run["status"] == "RUNNING")
    assert first.end(how) == (0 if how == signal.SIGTERM else -how)
    (left,) = site.runs(report)
    assert left["status"] in ("RUNNING", "PACKAGING", "QUEUED"), "make the report longer"
    assert (left["file_name"], site.complete_files()) == (None, set())
    name = f"Long_report_{datetime.now(UTC):%Y%m%d}"
    assert site.download(name).json()["error"]["message"] == "Report is not ready"
    site.hire()
    run = site.until(
        report, lambda run: run["status"] == "SUCCESSFUL", seconds=SECONDS if how == signal.SIGKILL else 50
    )
    rows = site.rows(run)
    assert len(rows) == CAMPAIGNS * DAYS
    assert {row["All Platform Sent"] for row in rows} == {"1"}
    assert len(site.complete_files()) == 1
    assert len(site.runs(report)) == 1
