"""Dashboard: the list and the page of a campaign as a browser gets them, against the bare question behind them.

The bare question counts events and distinct users of the campaigns shown: one statement, asked of an engine of its own
over the same events. The pages ask it, too, and besides for funnels, failures, conversions, the time series, children,
the mark of what has been stored, and the metadata of all campaigns.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from tests.support.log import campaign_of, workspace_of
from tests.support.processes import scratch_folder
from tests.support.server import Server

from bench.measure import Measured, Ratio, middle, seconds
from bench.stats import CAMPAIGNS, fill
from bench.traffic import NOW
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.engine import Engine, open_engine
from campanile.kit.times import window
from campanile.metadata import open_metadata
from campanile.settings import Settings
from campanile.stats.levels import Level
from campanile.stats.repository import Scope, StatsRepository

LINES_AT_ONCE = 10_000
PASSWORD = "a password for measuring"
ROUNDS = 3
RECIPIENTS = 875_000
"""Of each of ten campaigns: 30 million events in all."""
EVENTS_PER_RECIPIENT = 3 + 1 / 3 + 1 / 9
"""Attempted, sent and delivered; every third opens, every ninth clicks."""


def run(rounds: int = ROUNDS, recipients: int = RECIPIENTS, campaigns: int = 100_000) -> Measured:
    """Ten campaigns with events among many without; their page and the list that begins with them."""
    with scratch_folder("bench") as folder:
        server = Server(folder / "server")
        server.start()
        owner = server.create_workspace("Bench")
        arguments = ("user", "create", "bench@example.com", "--role", "viewer", "--password-stdin")
        server.run(*arguments, stdin=PASSWORD)
        server.stop()
        describe(folder / "server", owner.workspace_id, campaigns)
        fill(folder / "server", owner.workspace_id, recipients)
        fill(folder / "bare", owner.workspace_id, recipients)
        engine = open_engine(Settings(data=str(folder / "bare")))
        server.start()
        try:
            with httpx.Client(base_url=server.url, timeout=120, headers={"Accept": "text/html"}) as client:
                _sign_in(client)
                return _rounds(rounds, client, engine, owner.workspace_id, recipients, campaigns)
        finally:
            server.stop()
            engine.close()


def _rounds(
    rounds: int, client: httpx.Client, engine: Engine, workspace: str, recipients: int, campaigns: int
) -> Measured:
    base = f"/w/{workspace}/campaigns"
    pages = {
        "list": f"{base}?range=14d&sort=created",
        "search": f"{base}?range=14d&sort=name&q=campaign+99",
        "page": f"{base}/{CAMPAIGNS[0]}?range=14d",
        "unchanged": "",
    }
    page = client.get(pages["page"]).text
    live = re.search(r'data-live="([^"]+)" data-mark="([^"]+)"', page)
    assert live is not None, page[:500]
    pages["unchanged"] = f"{live[1].replace('&amp;', '&')}&mark={live[2]}"

    def get(name: str) -> None:
        answer = client.get(pages[name])
        assert answer.status_code == (204 if name == "unchanged" else 200), answer.text
        assert name != "list" or f'{base}/{CAMPAIGNS[0]}"' in answer.text

    def ask(asked: list[str]) -> None:
        asyncio.run(_bare(engine, workspace, asked))

    work = {
        "list": lambda: get("list"),
        "ten bare": lambda: ask(CAMPAIGNS),
        "page": lambda: get("page"),
        "one bare": lambda: ask(CAMPAIGNS[:1]),
        "search": lambda: get("search"),
        "unchanged": lambda: get("unchanged"),
    }
    for side in work.values():
        side()
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, side in work.items():
            times[name].append(seconds(side))

    def ratio(what: str, aim: str, over: str, under: str) -> Ratio:
        values = tuple(a / b for a, b in zip(times[over], times[under], strict=True))
        detail = f"{middle(times[over]) * 1000:.0f} against {middle(times[under]) * 1000:.0f} ms"
        return Ratio(what, aim, values, detail)

    millions = len(CAMPAIGNS) * recipients * EVENTS_PER_RECIPIENT / 1e6
    among = f"{campaigns:,} campaigns, ten of them with {millions:,.1f} million events: "
    return Measured(
        (
            ratio(among + "list with its numbers over HTTP ÷ bare question", "< 10", "list", "ten bare"),
            ratio(among + "list by search, no events on the page ÷ the list above", "–", "search", "list"),
            ratio(among + "page of one campaign over HTTP ÷ bare question", "< 10", "page", "one bare"),
            ratio(among + "live update of a page that is unchanged ÷ the page", "–", "unchanged", "page"),
        )
    )


async def _bare(engine: Engine, workspace: str, asked: list[str]) -> None:
    """Counts of some campaigns, without anything else."""
    campaigns = [campaign_of({"campaign_id": identifier, "channel": "EMAIL"}) for identifier in asked]
    tenant = workspace_of(workspace, {})
    days = window((NOW - timedelta(days=13)).date(), NOW.date(), "UTC")
    scope = Scope.of(campaigns, {}, days, tenant.settings).with_levels([(Level(True, False, False),)] * len(campaigns))
    repository = StatsRepository(engine)
    counts = await repository.counts(workspace, scope, await repository.snapshot_cells(workspace, scope))
    assert len(counts) >= 5 * len(asked)


def describe(data: Path, workspace: str, campaigns: int) -> None:
    """Campaign documents, those with events newest."""
    metadata = open_metadata(Settings(data=str(data)).resolved_metadata_url)
    service = CampaignService(metadata, FixedClock(NOW))
    for start in range(1, campaigns + 1, LINES_AT_ONCE):
        numbers = range(start, min(start + LINES_AT_ONCE, campaigns + 1))
        body = "\n".join(json.dumps(_document(number)) for number in numbers).encode()
        report = service.import_lines(workspace, body)
        assert report.failed == 0, report.errors[:1]
    metadata.close()


def _document(number: int) -> dict[str, Any]:
    return {
        "campaign_id": f"{number:024x}",
        "channel": "EMAIL",
        "campaign_delivery_type": "ONE_TIME",
        "status": "SENT",
        "created_at": (NOW - timedelta(days=10, minutes=number)).isoformat(),
        "basic_details": {"name": f"Campaign {number}", "tags": [f"tag-{number % 50}"]},
    }


def _sign_in(client: httpx.Client) -> None:
    form = client.get("/sign-in").text
    token = re.search(r'name="csrf" value="(\w+)"', form)
    assert token is not None
    fields = {"csrf": token[1], "email": "bench@example.com", "password": PASSWORD, "next": "/me"}
    assert client.post("/sign-in", data=fields).status_code == 303
