"""Answers from integers: a page of ten large campaigns over HTTP, against the bare questions behind it.

The same events three times: in a server, in an engine of its own for the bare question, and (one campaign) in
PostgreSQL. A second server holds a hundredth of them. No range of days is asked for twice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from tests.support.postgres import postgres_database, postgres_server
from tests.support.processes import scratch_folder, wait_until
from tests.support.server import Credentials, Server

from bench.measure import Figure, Measured, Ratio, middle, resident_mebibytes, seconds
from bench.stats import CAMPAIGNS, FIRST, ONE_QUERY, POSTGRES_QUERY, fill, fill_postgres
from campanile.engine import Engine, open_engine
from campanile.engine.questions import parse_question
from campanile.kit.times import Window, epoch_milliseconds, window
from campanile.metrics.funnel import entry_steps
from campanile.settings import Settings
from campanile.stats.levels import levels_of
from campanile.stats.repository import metrics_of_classes
from campanile.stats.settled.entry import Setting
from campanile.stats.settled.repository import SettledRepository

RECIPIENTS = 1_000_000
FRACTION = 100
"""How many times fewer recipients the small server has."""
SETTLING_SECONDS = 600
SETTLED_SECONDS = 0.05
"""A page that comes faster does not come from the log, whatever its size."""
RANGES = [(first, last) for last in (9, 8, 7) for first in (0, 1, 2)]
"""First and last day of the questions, most of them eight of the ten days."""


def run(rounds: int = 5, recipients: int = RECIPIENTS) -> Measured:
    """All sides right after each other in every round."""
    with scratch_folder("bench") as folder, postgres_server() as address:
        large, small = (_Side(folder / name) for name in ("large", "small"))
        large.fill(recipients)
        small.fill(recipients // FRACTION)
        shutil.copytree(
            large.server.data / "engine",
            folder / "bare" / "engine",
            symlinks=True,
            copy_function=os.link,
            ignore=shutil.ignore_patterns("lock", "*.lock"),
        )
        engine = open_engine(Settings(data=str(folder / "bare")))
        try:
            large.server.start()
            small.server.start()
            idle = resident_mebibytes(large.server.pid)
            with postgres_database(address) as url, psycopg.connect(url) as postgres:
                fill_postgres(postgres, engine, large.owner.workspace_id, CAMPAIGNS[:1])
                measured = _measure(rounds, large, small, engine, postgres, recipients)
            loaded = resident_mebibytes(large.server.pid)
        finally:
            engine.close()
            for side in (large, small):
                side.server.stop()
    figures = (
        Figure("server with these events, idle", f"{idle} MiB"),
        Figure("… after it was asked about all of them", f"{loaded} MiB"),
    )
    return Measured(measured, figures)


class _Side:
    """A server with ten campaigns."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder)
        self.server.start()
        self.owner: Credentials = self.server.create_workspace("Bench")
        self.server.run("workspace", "set", self.owner.workspace_id, "rate_limit=1000000")
        with httpx.Client(auth=(self.owner.workspace_id, self.owner.manage_key)) as client:
            for campaign in CAMPAIGNS:
                body = {"channel": "EMAIL", "delivery_type": "ONE_TIME", "name": campaign}
                client.put(f"{self.server.url}/v1/campaigns/{campaign}", json=body).raise_for_status()
        self.server.stop()
        self._client = httpx.Client(
            timeout=120,
            auth=(self.owner.workspace_id, self.owner.report_key),
            headers={"MOE-APPKEY": self.owner.workspace_id},
        )

    def fill(self, recipients: int) -> None:
        fill(self.server.data, self.owner.workspace_id, recipients)

    def ask(self, days: Window, campaigns: list[str]) -> None:
        """A page over HTTP."""
        body = {
            "request_id": "bench",
            "campaign_ids": campaigns,
            "start_date": days.first.isoformat(),
            "end_date": days.last.isoformat(),
            "attribution_type": "VIEW_THROUGH",
            "metric_type": "UNIQUE",
        }
        answer = self._client.post(f"{self.server.url}/core-services/v1/campaign-stats", json=body)
        answer.raise_for_status()
        assert len(answer.json()["data"]) == len(campaigns)

    def settle(self) -> None:
        """Wait until all campaigns are answered from integers, for ranges that are not asked for later."""
        earlier = iter(range(1, 10_000))

        def settled() -> bool:
            days = _window(-next(earlier), 9)
            return seconds(lambda: self.ask(days, CAMPAIGNS)) < SETTLED_SECONDS

        wait_until(settled, None, seconds=SETTLING_SECONDS, what="the integers of the campaigns")


def _measure(
    rounds: int, large: _Side, small: _Side, engine: Engine, postgres: psycopg.Connection[Any], recipients: int
) -> tuple[Ratio, ...]:
    built, direct = _building(engine, large.owner.workspace_id, rounds)
    for side in (large, small):
        side.settle()
    times: dict[str, list[float]] = {}
    for place in range(rounds):
        days = _window(*RANGES[place % len(RANGES)])
        one = _window(RANGES[place % len(RANGES)][0], 6)
        work: Mapping[str, Callable[[], object]] = {
            "page": lambda days=days: large.ask(days, CAMPAIGNS),  # type: ignore[misc]
            "bare": lambda days=days: _bare(engine, large.owner.workspace_id, days),  # type: ignore[misc]
            "small": lambda days=days: small.ask(days, CAMPAIGNS),  # type: ignore[misc]
            "one": lambda one=one: large.ask(one, CAMPAIGNS[:1]),  # type: ignore[misc]
            "postgres": lambda one=one: _in_postgres(postgres, one),  # type: ignore[misc]
            "again": lambda days=days: large.ask(days, CAMPAIGNS),  # type: ignore[misc]
        }
        for name, each in work.items():
            times.setdefault(name, []).append(seconds(each))

    def ratio(what: str, aim: str, over: str, under: str) -> Ratio:
        values = tuple(a / b for a, b in zip(times[over], times[under], strict=True))
        detail = f"{middle(times[over]) * 1000:,.1f} against {middle(times[under]) * 1000:,.1f} ms"
        return Ratio(what, aim, values, detail)

    page = f"page of ten campaigns × {recipients:,} recipients, UNIQUE, settled"
    return (
        ratio(f"{page}: one direct `uniqExact` question ÷ our answer over HTTP", "≥ 200", "bare", "page"),
        ratio(f"{page}, the same page again: direct question ÷ our answer", "–", "bare", "again"),
        ratio(
            "one of the campaigns: PostgreSQL 15 with a covering index ÷ our answer over HTTP",
            "≥ 400",
            "postgres",
            "one",
        ),
        ratio(f"the same page: {FRACTION}× the events ÷ {recipients // FRACTION:,} recipients", "≤ 2", "page", "small"),
        Ratio(
            "making the integers of one campaign ÷ one direct question over the same levels of its tree",
            "≤ 1.5",
            tuple(a / b for a, b in zip(built, direct, strict=True)),
            f"{middle(built) * 1000:,.0f} against {middle(direct) * 1000:,.0f} ms",
        ),
    )


def _bare(engine: Engine, workspace: str, days: Window) -> None:
    start, end = epoch_milliseconds(days.start), epoch_milliseconds(days.end)
    parameters = {"campaigns": CAMPAIGNS, "start": start, "end": end, "workspace": workspace}
    rows = engine._run(parse_question("single", ONE_QUERY), parameters)
    assert len(rows) == 5 * len(CAMPAIGNS)


def _in_postgres(postgres: psycopg.Connection[Any], days: Window) -> None:
    with postgres.cursor() as cursor:
        cursor.execute(POSTGRES_QUERY, (CAMPAIGNS[:1], days.start, days.end))
        assert len(cursor.fetchall()) == 5


def _building(engine: Engine, workspace: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds to make an entry, and of the direct question that counts users on every level for all days."""
    repository = SettledRepository(engine)
    setting = Setting((CAMPAIGNS[0],), (), "EMAIL", "UTC", "off", "count", True, 0)

    def build() -> None:
        ground = repository.ground(workspace, setting, 0, datetime.now(UTC))
        assert ground is not None
        assert repository.settle(workspace, setting, (), ground) is not None

    levels = levels_of("EMAIL", (), [("EMAIL", "", "")])
    everything = _window(0, 9)

    def ask() -> None:
        engine.ask(
            "counts",
            workspace,
            campaigns=[CAMPAIGNS[0]],
            members=[1],
            slots=[[level.bits for level in levels]],
            outside=0,
            covered=[],
            timezone="UTC",
            start=epoch_milliseconds(everything.start),
            end=epoch_milliseconds(everything.end),
            implied=[0],
            class_metrics=metrics_of_classes("off", "count"),
            ios_substitute=0,
            entry_steps=sorted(entry_steps("EMAIL")),
        )

    build()
    ask()
    pairs = [(seconds(build), seconds(ask)) for _ in range(rounds)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _window(first: int, last: int) -> Window:
    start: date = FIRST.date()
    return window(start + timedelta(days=first), start + timedelta(days=last), "UTC")
