"""Whatever is replayed, in whatever order, with crashes and outages in between: numbers as if delivered once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from tests.hooks.reports import CHANNEL, PROVIDERS, QUERY, reported
from tests.hooks.served import HookHouse, Poster, until
from tests.intake.served import click
from tests.intake.worlds import NOW, rows

pytestmark = pytest.mark.slow

KINDS = {
    "sendgrid": ["processed", "delivered", "open", "spamreport"],
    "ses": ["delivered"],
    "mailgun": ["accepted", "delivered", "opened", "complained"],
    "postmark": ["delivered"],
    "twilio": ["sent", "delivered", "read"],
    "whatsapp": ["sent", "delivered", "read"],
}
_names = count()


@pytest.fixture(name="house", scope="module")
def _house(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HookHouse]:
    engine: Engine = embedded.take()
    house = HookHouse(engine, Path(tmp_path_factory.mktemp("replays")), FixedClock(NOW))
    yield house
    house.close()


def numbers(house: HookHouse, workspace: str) -> list[tuple[Any, ...]]:
    """What every question counts."""
    found: dict[tuple[Any, ...], int] = {}
    for row in rows(house.engine, "type, campaign_id, channel, user_id, machine", workspace):
        found[row] = found.get(row, 0) + 1
    return sorted(found.items())


class Story:
    """Deliveries of one provider to a workspace of its own, and the native sends of messages without dimensions."""

    def __init__(self, house: HookHouse, provider: str) -> None:
        self.house = house
        self.provider = provider
        self.workspace = f"story-{next(_names)}"
        house.workspaces.create(
            self.workspace, id=self.workspace, report_key=f"r-{self.workspace}-key",
            ingest_key=f"i-{self.workspace}-key", manage_key=f"m-{self.workspace}-key",
        )  # fmt: skip
        self.made = house.hook(provider, workspace=self.workspace)
        self.all = [
            (kind, message, dimensions)
            for message, dimensions in (("m-1", True), ("m-2", True), ("m-3", False))
            for kind in KINDS[provider]
        ]

    async def deliver(self, send: Poster, number: int) -> None:
        kind, message, dimensions = self.all[number]
        content = reported(self.provider, kind, dimensions=dimensions, message=message)
        query = QUERY.get(self.provider, "") if dimensions else ""
        answer = await send.deliver(self.made, content, query=query)
        assert answer.status_code < 300, answer.text

    async def native(self, send: Poster) -> None:
        channel = CHANNEL.get(self.provider, "EMAIL")
        event = click("own", type="sent", provider=self.provider, message_id="m-3", user_id="u-3", channel=channel)
        answer = await send.events(event, user=f"{self.workspace}:i-{self.workspace}-key")
        assert answer.status_code == 200

    async def settled(self) -> None:
        """Everything that waited has been taken up."""
        repository, spool = self.house.hooks._repository, self.house.settings.data_path / "spool"
        await until(lambda: not list(spool.glob("*.parcel")) and not repository.count_pending(self.workspace))


def told_once(house: HookHouse, provider: str) -> list[tuple[Any, ...]]:
    story = Story(house, provider)

    async def scenario(send: Poster) -> None:
        await story.native(send)
        for number in range(len(story.all)):
            await story.deliver(send, number)
        await story.settled()

    house.restart()
    house.run(scenario)
    return numbers(house, story.workspace)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_replays_change_nothing(house: HookHouse, provider: str) -> None:
    expected = told_once(house, provider)
    assert sum(times for _, times in expected) >= 2 * len(KINDS[provider])

    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def tell(data: st.DataObject) -> None:
        story = Story(house, provider)
        everything = list(range(len(story.all)))
        again = data.draw(st.lists(st.sampled_from(everything), max_size=len(everything)), label="again")
        order = data.draw(st.permutations([*everything, *again]), label="order")
        parts = data.draw(st.lists(st.sampled_from(["fine", "down", "torn"]), min_size=1, max_size=3), label="parts")
        native_in = data.draw(st.integers(0, len(parts) - 1), label="native in part")
        if parts[native_in] != "fine":
            parts[native_in] = "fine"  # a native event is refused while the store is down; its sender tries again
        size = -(-len(order) // len(parts))
        for number, state in enumerate(parts):

            async def scenario(send: Poster, number: int = number, state: str = state) -> None:
                with store(house.engine, state):
                    if number == native_in:
                        await story.native(send)
                    for place in order[number * size : (number + 1) * size]:
                        await story.deliver(send, place)
                if number == len(parts) - 1:
                    await story.settled()

            house.restart()
            house.run(scenario)
        assert numbers(house, story.workspace) == expected

    tell()


class store:
    """A store that is fine, does not take anything, or takes it and does not say so."""

    def __init__(self, engine: Engine, state: str) -> None:
        self._engine, self._state = engine, state

    def __enter__(self) -> None:
        append = type(self._engine).append

        def failing(engine: Engine, *arguments: Any) -> None:
            if self._state == "torn":
                append(engine, *arguments)
            raise EngineUnavailable("down")

        if self._state != "fine":
            type(self._engine).append = failing  # type: ignore[method-assign]
        self._append = append

    def __exit__(self, *_: object) -> None:
        type(self._engine).append = self._append  # type: ignore[method-assign]
