"""`campanile demo`."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from campanile.cli import demo_experiments, demo_reports, demo_text
from campanile.cli.connection import connect
from campanile.cli.options import INTERRUPTED, WrongUsage
from campanile.cli.output import stdout
from campanile.cli.serving import check_address, run_server
from campanile.cli.stores import open_users, open_workspaces
from campanile.client import Client, RetryPolicy, Stats
from campanile.client.stats import MetricType
from campanile.clock import SystemClock
from campanile.demo import Demo, build
from campanile.demo.check import Comparison, compare, compare_purchases
from campanile.demo.credits import CHECKED, VIEW_THROUGH, Credits
from campanile.demo.plans import SHOP, TIMEZONE
from campanile.errors import NotFound
from campanile.settings import Settings, load_settings

METRIC_TYPES: tuple[MetricType, ...] = ("TOTAL", "UNIQUE")
DAYS_ASKED = 31
"""Days the statistics are asked for; the most the API takes."""
INTAKE_RATE = 1_000_000
"""Events per second that the server takes: its only sender need not wait."""
LIVE_DAYS = 20
"""Age of a sample shop, in days, from which its oldest events are too old for live events."""


class Stopped(Exception):
    """The user ended the demo while it was busy."""


def demo(
    *,
    port: Annotated[int, Parameter(help="Port to listen on.", show_default=True)] = 8080,
    host: Annotated[str, Parameter(help="Address to listen on.", show_default=True)] = "127.0.0.1",
    data: Annotated[str | None, Parameter(help="Folder of the sample shop; in the user's cache if not given.")] = None,
    once: Annotated[bool, Parameter(negative="", help="End after the numbers have been checked.")] = False,
    seed: Annotated[int, Parameter(help="Another seed makes another shop.", show_default=True)] = 1,
) -> int:
    """Start a real server, load a sample shop through its API, ask for statistics, show how to go on.

    Settings of the environment are left aside, so nothing but the demo's own folder is touched. With --once the
    exit code tells whether every number that was checked is right.
    """
    if not 0 <= seed <= 999_999:
        raise WrongUsage("--seed must be a number from 0 to 999999")
    folder = Path(data) if data else _cache_folder()
    flags = {"data": str(folder), "host": host, "port": port, "log_level": "warning", "intake_rate": INTAKE_RATE}
    settings = load_settings(flags=flags)

    from campanile.app import create_app
    from campanile.http.logs import configure_logging

    configure_logging(settings.log_level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # we are a client, too
    check_address(settings)
    tour = Tour(settings, seed)
    shop = tour.prepare()
    app = create_app(settings, SystemClock())

    async def companion() -> None:
        try:
            await asyncio.to_thread(tour.run, shop)
            if not once:
                demo_text.keep_serving(stdout(), settings)
                await asyncio.Event().wait()
        finally:
            tour.stop()

    try:
        run_server(app, settings, companion)
    except Stopped:
        return INTERRUPTED
    return tour.exit_code if once else 0


def _cache_folder() -> Path:
    """A folder of the user's cache, as the desktop conventions name it."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache") / "campanile-demo"


class Tour:
    """What the demo does beside its server."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._console = stdout()
        self._stopping = threading.Event()
        self.exit_code = INTERRUPTED
        self.keys = demo_text.Keys(
            workspace_id=f"WSDEMO{seed:018d}",
            report_key=f"demo-report-key-{seed:06d}",
            ingest_key=f"demo-ingest-key-{seed:06d}",
            manage_key=f"demo-manage-key-{seed:06d}",
            email="demo@example.com",
            password=demo_text.PASSWORD,
        )

    def prepare(self) -> Demo:
        """Make the workspace, or find it: the shop keeps the day it was made on, so loading it again adds nothing."""
        self._console.print(f"Campanile demo: {SHOP}, data in {self._settings.data_path}", soft_wrap=True)
        with open_workspaces(self._settings) as workspaces:
            workspace = workspaces.get(self.keys.workspace_id)
            if workspace is None:
                made = workspaces.create(
                    SHOP,
                    id=self.keys.workspace_id,
                    timezone=TIMEZONE,
                    report_key=self.keys.report_key,
                    ingest_key=self.keys.ingest_key,
                    manage_key=self.keys.manage_key,
                )
                workspace = made.workspace
        with open_users(self._settings) as users:
            try:
                user = users.get(self.keys.email)
            except NotFound:
                user = users.create(
                    self.keys.email, name="Demo", password=self.keys.password, role="admin", workspace_id=workspace.id
                )
            if user.role_in(workspace.id) is None:
                users.members.set_role(workspace.id, user.id, "admin")
        return build(workspace.created_at.astimezone(ZoneInfo(TIMEZONE)).date(), self._seed)

    def stop(self) -> None:
        """End `run` at its next step."""
        self._stopping.set()

    def run(self, demo: Demo) -> None:
        """Load, ask, compare, show."""
        address = self._settings.resolved_base_url
        retry = RetryPolicy(sleep=self._pause)
        keys = self.keys
        with connect(address, keys.workspace_id, keys.manage_key, retry) as client:
            self._load_campaigns(client, demo)
        with connect(address, keys.workspace_id, keys.ingest_key, retry) as client:
            self._load_events(client, demo)
        with connect(address, keys.workspace_id, keys.report_key, retry) as client:
            wrong = self._ask(client, demo)
        with connect(address, keys.workspace_id, keys.manage_key, retry) as client:
            runs = demo_reports.make_reports(client, self._console, *self._days(demo), self._pause)
        report = demo_reports.download(address, keys, self._console, runs[0], demo, *self._days(demo))
        demo_text.verdict(self._console, report.checked, report.wrong)
        self.exit_code = 1 if wrong or report.wrong else 0
        demo_text.credentials(self._console, self._settings, keys, *self._days(demo), runs[0]["file_name"])

    @staticmethod
    def _days(demo: Demo) -> tuple[date, date]:
        return demo.calendar.day(DAYS_ASKED), demo.calendar.day(1)

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def _load_campaigns(self, client: Client, demo: Demo) -> None:
        results: dict[str, int] = {}
        for document in demo.documents():
            self._pause(0)
            result = client.put_campaign(str(document["campaign_id"]), document).result
            results[result] = results.get(result, 0) + 1
        outcome = ", ".join(f"{count} {name}" for name, count in results.items())
        self._console.print(f"PUT /v1/campaigns/…: {outcome}")

    def _load_events(self, client: Client, demo: Demo) -> None:
        started = time.monotonic()
        age = (SystemClock().now().date() - demo.today).days
        received = accepted = duplicates = rejected = 0
        bar = Progress(
            TextColumn("POST /v1/events"), BarColumn(), MofNCompleteColumn(), TextColumn("events"),
            TimeRemainingColumn(), console=self._console, transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task("events", total=demo.estimate)
            for batch in demo.batches():
                self._pause(0)
                result = client.post_events(batch.body, backfill=age > LIVE_DAYS)
                received += result.received
                accepted += result.accepted
                duplicates += result.duplicates
                rejected += result.rejected
                bar.update(task, completed=received)
                for problem in result.errors[:1]:
                    self._console.print(f"rejected: {problem.code} {problem.field}: {problem.message}")
        seconds = max(time.monotonic() - started, 1e-3)
        known = f", {duplicates:,} were there already" if duplicates else ""
        refused = f", {rejected:,} REJECTED" if rejected else ""
        self._console.print(
            f"POST /v1/events: {received:,} events in {seconds:.1f} s ({received / seconds:,.0f}/s), "
            f"{accepted:,} accepted{known}{refused}",
            soft_wrap=True,
        )

    def _ask(self, client: Client, demo: Demo) -> bool:
        """Ask for everything, compare it with our own counts, show some of it; whether something is wrong."""
        first, last = self._days(demo)
        answers: dict[MetricType, Stats] = {}
        results: list[Comparison] = []
        for metric_type in METRIC_TYPES:
            self._pause(0)
            answers[metric_type] = client.stats(start_date=first, end_date=last, metric_type=metric_type)
            results.append(compare(demo, {"data": answers[metric_type].data}, first, last, metric_type))
        data: dict[str, Mapping[str, Any]] = {metric_type: answer.data for metric_type, answer in answers.items()}
        demo_text.answer(self._console, self._settings, self.keys, data, first, last)
        credits = Credits(demo, first, last)
        earned: dict[str, Stats] = {VIEW_THROUGH: answers["UNIQUE"]}
        for attribution in CHECKED:
            self._pause(0)
            if attribution not in earned:
                earned[attribution] = client.stats(
                    start_date=first, end_date=last, metric_type="UNIQUE", attribution_type=attribution
                )
            results.append(compare_purchases(credits, {"data": earned[attribution].data}, attribution))
        demo_experiments.goals(self._console, earned)
        demo_experiments.experiments(self._console, client)
        wrong = [sentence for result in results for sentence in result.wrong]
        checked = sum(result.checked for result in results)
        demo_text.verdict(self._console, checked, wrong)
        return bool(wrong)
