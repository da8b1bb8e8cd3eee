"""Whatever state the integers are in, an answer is that of the log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.kit.times import window
from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.service import SettledAnswers
from tests.oracle import model
from tests.oracle.fixtures import load, workspace
from tests.support.log import campaign_of, measured, workspace_of, write

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CASES = ("metrics_push", "metrics_email", "metrics_facebook_audience", "metrics_whatsapp")
SECONDS = 60


class Gate(SettledRepository):
    """Makes integers when it is let, after it has been begun."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.begun = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.fails = False

    def settle(self, *arguments: Any) -> Any:
        made = super().settle(*arguments)
        self.begun.set()
        assert self.open.wait(SECONDS)
        if self.fails:
            raise EngineUnavailable("gone in the middle")
        return made


class Scene(NamedTuple):
    """A past in the log, and what answers about it."""

    engine: Engine
    past: model.Workspace
    gate: Gate
    settled: SettledAnswers

    def prepare(self, *, some: int | None = None) -> int:
        """Ask for the integers of the first campaigns; how many there are already."""
        campaigns = [campaign_of(fields) for fields in self.past.campaigns]
        children = {
            parent.campaign_id: [each for each in campaigns if each.parent_id == parent.campaign_id]
            for parent in campaigns
        }
        place = workspace_of("w", self.past.settings)
        return len(asyncio.run(self.settled.ready(place, campaigns[:some], children)))

    def check(self) -> None:
        first, last = (date.fromisoformat(self.past.request[name]) for name in ("start_date", "end_date"))
        timezone = workspace_of("w", self.past.settings).settings.timezone
        for start, end in ((first, last), (first + timedelta(days=1), last), (first, first)):
            days = window(min(start, end), end, timezone)
            from_log = asyncio.run(measured(self.engine, self.past, "w", days=days))
            assert asyncio.run(measured(self.engine, self.past, "w", days=days, settled=self.settled)) == from_log


@pytest.fixture(params=CASES)
def scene(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Scene]:
    past = workspace(load(request.param))
    write(engine, "w", model.deduplicated(past.events))
    gate = Gate(engine)
    settled = SettledAnswers(gate, FixedClock(NOW), after=0)
    yield Scene(engine, past, gate, settled)
    gate.open.set()
    settled.close()


def made(scene: Scene) -> None:
    scene.prepare()
    scene.settled.settle_all()
    assert scene.prepare() > 0


def dropped(scene: Scene) -> None:
    made(scene)
    scene.settled.forget()


def half_made(scene: Scene) -> None:
    scene.prepare(some=1)
    scene.settled.settle_all()


def being_made(scene: Scene) -> None:
    scene.gate.open.clear()
    scene.prepare()
    assert scene.gate.begun.wait(SECONDS)


def moved_while_being_made(scene: Scene) -> None:
    """What comes in after the log was read, and before the integers are there, is not missed."""
    being_made(scene)
    late = [{**event, "event_id": f"late-{event['event_id']}"} for event in scene.past.events]
    changed = [{**event, "user_id": f"late-{event.get('user_id', '')}"} for event in late]
    write(scene.engine, "w", changed, first=len(late) + 1)
    scene.gate.open.set()
    scene.settled.settle_all()


def failed(scene: Scene) -> None:
    scene.gate.fails = True
    scene.prepare()
    scene.settled.settle_all()
    assert scene.settled.size_bytes == 0


@pytest.mark.parametrize("state", [made, dropped, half_made, being_made, failed], ids=lambda state: state.__name__)
def test_an_answer_is_that_of_the_log(scene: Scene, state: Callable[[Scene], None]) -> None:
    state(scene)
    scene.check()


def test_what_comes_in_while_they_are_made_is_seen(scene: Scene) -> None:
    moved_while_being_made(scene)
    scene.check()
