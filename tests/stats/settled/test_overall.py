"""Pages about campaigns as a whole say the same from integers as from the log."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.metrics.registry import COUNTS
from campanile.stats.analysis import Analysis
from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.service import SettledAnswers
from campanile.workspaces.schemas import Workspace
from tests.oracle import model
from tests.oracle.histories import History, histories
from tests.stats.test_analysis import analysis
from tests.support.log import workspace_of, write
from tests.support.sampling import examples

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_names = itertools.count()


async def pages(asked: Analysis, tenant: Workspace, campaigns: Any, days: Window) -> list[Any]:
    """Everything that pages show, but for the trees of campaigns."""
    found: list[Any] = [await asked.totals(tenant, days, "VIEW_THROUGH")]
    found.append(await asked.compared(tenant, days, "VIEW_THROUGH", ["ctr", "failure_rate"]))
    found.append(await asked.summed(tenant, campaigns, days, "VIEW_THROUGH"))
    found.append(await asked.channel_series(tenant, days, "week", ["sent", "click"]))
    found += [await asked.campaign_series(tenant, campaign, days, "day", list(COUNTS)) for campaign in campaigns]
    return found


@examples(12)
@given(history=histories())
def test_pages_are_the_same(chdb_engine: Engine, history: History) -> None:
    check(chdb_engine, history)


@examples(2)
@given(history=histories())
def test_pages_are_the_same_on_a_cluster(cluster_engine: Engine, history: History) -> None:
    check(cluster_engine, history)


def check(engine: Engine, history: History) -> None:
    """Half of the past, all of it, and all of it after the integers were forgotten."""
    settled = SettledAnswers(SettledRepository(engine), FixedClock(NOW), after=0)
    try:
        compare(engine, settled, history)
    finally:
        settled.close()


def compare(engine: Engine, settled: SettledAnswers, history: History) -> None:
    past = history.workspace()
    name = f"overall{next(_names)}"
    events = model.deduplicated(past.events)
    tenant = workspace_of(name, past.settings)
    first, last = (date.fromisoformat(past.request[key]) for key in ("start_date", "end_date"))
    days = window(first, last, tenant.settings.timezone)
    asked, campaigns = analysis(engine, past, settled)
    for start, end in ((0, len(events) // 2), (len(events) // 2, len(events))):
        write(engine, name, events[start:end], first=start + 1)
        from_log = asyncio.run(pages(analysis(engine, past)[0], tenant, campaigns, days))
        assert asyncio.run(pages(asked, tenant, campaigns, days)) == from_log
        settled.settle_all()
        assert asyncio.run(pages(asked, tenant, campaigns, days)) == from_log
    settled.forget()
    assert asyncio.run(pages(asked, tenant, campaigns, days)) == from_log


def test_nothing_is_asked_about_a_workspace_that_stands_still(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = {"type": "sent", "channel": "EMAIL"}
    events = [
        {**like, "event_id": f"e{n}", "ts": f"2026-03-{14 + n % 4}T10:00:00Z", "user_id": f"u{n}",
         "campaign_id": "cd"[n % 2]}
        for n in range(20)
    ]  # fmt: skip
    past = model.Workspace([{"campaign_id": name, "channel": "EMAIL"} for name in "cd"], events, {}, {})
    write(chdb_engine, "still", events)
    settled = SettledAnswers(SettledRepository(chdb_engine), FixedClock(NOW), after=0)
    try:
        asked, campaigns = analysis(chdb_engine, past, settled)
        tenant, days = workspace_of("still", {}), window(date(2026, 3, 13), date(2026, 3, 20), "UTC")
        before = asyncio.run(pages(asked, tenant, campaigns, days))
        settled.settle_all()
        questions: list[str] = []
        run = chdb_engine._run
        monkeypatch.setattr(
            chdb_engine, "_run", lambda question, given: (questions.append(question.name), run(question, given))[1]
        )

        async def again() -> Any:
            series = await asked.campaign_series(tenant, campaigns[0], days, "day", list(COUNTS))
            return await asked.totals(tenant, days, "VIEW_THROUGH"), series

        assert asyncio.run(again())[0] == before[0]
        assert set(questions) <= {"snapshot_cells", "credits"}, questions
        write(chdb_engine, "still", [{**events[0], "event_id": "another", "user_id": "somebody"}], first=100)
        assert asyncio.run(asked.totals(tenant, days, "VIEW_THROUGH")).everything.unique["sent"] == 21
    finally:
        settled.close()
