"""`POST /v1/funnel`: each snapshot once, the newest statement about a cell, one way of reporting per cell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.intake.keys import event_key
from tests.campaigns.samples import listing
from tests.intake.served import Sender, Served, counts
from tests.intake.worlds import CAMPAIGN, OTHER_CAMPAIGN, rows
from tests.support.sampling import examples

DAY = "2026-03-17"


@pytest.fixture
def served(chdb_engine: Engine, tmp_path: Path, clock: FixedClock) -> Iterator[Served]:
    served = Served(chdb_engine, tmp_path, clock)
    yield served
    served.close()


def snapshot(snapshot_id: str, *, hour: int = 9, **fields: Any) -> dict[str, Any]:
    record = {
        "snapshot_id": snapshot_id, "campaign_id": CAMPAIGN, "channel": "PUSH", "platform": "ANDROID", "date": DAY,
        "as_of": f"{DAY}T{hour:02}:00:00Z", "performance": {"attempted": 100}, **fields,
    }  # fmt: skip
    return {name: value for name, value in record.items() if value is not None}


def effective(engine: Engine, owner: str = "w") -> dict[tuple[str, str], tuple[int, int]]:
    """(locale, key) → (total, unique), over all cells of the campaigns."""
    found = engine.ask(
        "snapshot_cells", owner, campaigns=[CAMPAIGN, OTHER_CAMPAIGN], first=date(2026, 1, 1), last=date(2026, 12, 31)
    )
    return {(row[3], row[6] or row[7]): (row[9], row[10]) for row in found}


def test_all_parts_of_a_snapshot_are_stored(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.funnel(
            snapshot(
                "fs-1",
                locale="en",
                variation=2,
                funnel={"after_fc": 97500},
                performance={"attempted": {"total": 120, "unique": 100}},
                failures={"frequency_cap": 20900},
                conversions={"Goal 1": {"CLICK_THROUGH": {"total": 5, "unique": 4, "revenue": "12.50"}}},
            )
        )
        assert (response.status_code, counts(response)) == (200, (1, 1, 0, 0))

    served.run(scenario)
    columns = "kind, key, goal, attribution, total, unique, revenue, mode, platform, locale, variation, toString(date)"
    cell = ("replace", "ANDROID", "en", "variation_2", DAY)
    assert rows(served.engine, columns, source="snapshots") == [
        ("conversion", "", "Goal 1", "CLICK_THROUGH", 5, 4, Decimal("12.5000"), *cell),
        ("failure", "f_c_removed", "", "", 20900, 20900, None, *cell),
        ("funnel", "after_fc", "", "", 97500, 97500, None, *cell),
        ("performance", "attempted", "", "", 120, 100, None, *cell),
    ]
    assert rows(served.engine, "DISTINCT snapshot_key", source="snapshots") == [
        (int.from_bytes(event_key("fs-1"), "little"),)
    ]


def test_the_campaign_of_a_snapshot_is_registered(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        response = await send.funnel(snapshot("a", locale="en", campaign_id=None, campaign_key="autumn"))
        assert [item["code"] for item in response.json()["warnings"]] == ["campaign_auto_created"]

    served.run(scenario)
    (campaign,) = listing(served.campaigns, "w")
    assert (campaign.channel, campaign.name) == ("PUSH", "autumn")
    assert (campaign.observed_platforms, campaign.observed_locales) == (("ANDROID",), ("en",))
    assert campaign.observed_variations == ()


def test_the_newest_statement_wins_whenever_it_arrives(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.funnel(snapshot("noon", hour=12, performance={"attempted": 120, "failed": 7}))
        older = await send.funnel(snapshot("morning", hour=9, performance={"attempted": 90, "sent": 80}))
        assert counts(older) == (1, 1, 0, 0)

    served.run(scenario)
    assert effective(served.engine) == {
        ("all_locales", "attempted"): (120, 120),
        ("all_locales", "failed"): (7, 7),
        ("all_locales", "sent"): (80, 80),
    }


def test_increments_are_summed_and_repetitions_are_not(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.funnel(snapshot("a", mode="add"), snapshot("b", mode="add"), snapshot("b", mode="add"))
        again = await send.funnel(snapshot("a", mode="add", performance={"attempted": 1}), snapshot("c", mode="add"))
        assert counts(again) == (2, 1, 1, 0)

    served.run(scenario)
    assert effective(served.engine) == {("all_locales", "attempted"): (300, 300)}


def test_modes_are_not_mixed_in_a_cell(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        first = await send.funnel(snapshot("a"), snapshot("b", mode="add"), snapshot("c", mode="add", locale="en"))
        assert (first.status_code, counts(first)) == (207, (3, 2, 0, 1))
        error = first.json()["errors"][0]
        assert (error["index"], error["event_id"], error["code"]) == (1, "b", "snapshot_mode_conflict")
        second = await send.funnel(
            snapshot("d", mode="add"), snapshot("e", locale="en"), snapshot("f", mode="add", date="2026-03-16")
        )
        assert [item["index"] for item in second.json()["errors"]] == [0, 1]

    served.run(scenario)


def test_atomic_and_dry_run(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        mixed = [snapshot("a"), snapshot("b", mode="add")]
        assert counts(await send.funnel(*mixed, query="?dry_run=true")) == (2, 1, 0, 1)
        assert counts(await send.funnel(*mixed, query="?atomic=true")) == (2, 0, 0, 2)
        assert effective(served.engine) == {}
        assert counts(await send.funnel(*mixed)) == (2, 1, 0, 1)
        assert counts(await send.funnel(*mixed, query="?dry_run=true")) == (2, 0, 1, 1)

    served.run(scenario)


def test_a_channel_that_contradicts_the_campaign_is_refused(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.funnel(snapshot("a"))
        response = await send.funnel(snapshot("b", channel="EMAIL", platform=None))
        assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "campaign_conflict")

    served.run(scenario)


def test_registration_can_be_off(served: Served) -> None:
    served.workspaces.update_settings("w", {"auto_register_campaigns": "false"})

    async def scenario(send: Sender) -> None:
        for query in ("?dry_run=true", ""):
            response = await send.funnel(snapshot("a"), query=query)
            assert response.json()["errors"][0]["code"] == "unknown_campaign"

    served.run(scenario)


def test_a_store_that_fails_is_not_acknowledged(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    append = served.engine.append

    def lose_the_answer(table: str, columns: Any) -> None:
        append(table, columns)
        raise EngineUnavailable("The event store cannot be written.")

    async def scenario(send: Sender) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(served.engine, "append", lose_the_answer)
            assert (await send.funnel(snapshot("a", mode="add"))).status_code == 503
        assert counts(await send.funnel(snapshot("a", mode="add"), snapshot("b", mode="add"))) == (2, 1, 1, 0)

    served.run(scenario)
    assert effective(served.engine) == {("all_locales", "attempted"): (200, 200)}


def test_workspaces_do_not_see_each_other(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        await send.funnel(snapshot("a"))
        assert counts(await send.funnel(snapshot("a"), user="v:ingest-key")) == (1, 1, 0, 0)

    served.run(scenario)
    assert effective(served.engine, "v") == {("all_locales", "attempted"): (100, 100)}


def test_snapshots_in_parallel_count_once(served: Served) -> None:
    async def scenario(send: Sender) -> None:
        records = [snapshot(f"s-{number}", mode="add") for number in range(5)]
        responses = await asyncio.gather(*(send.funnel(*records) for _ in range(6)))
        assert sum(counts(response)[1] for response in responses) == 5

    served.run(scenario)
    assert effective(served.engine) == {("all_locales", "attempted"): (500, 500)}


statements = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 23), st.integers(0, 9), st.sampled_from(["sent", "failed"])), max_size=8
)


@examples(25)
@given(mode=st.sampled_from(["replace", "add"]), statements=statements)
def test_any_order_and_repetition_gives_the_value_of_the_rules(
    served: Served, mode: str, statements: list[tuple[int, int, int, str]]
) -> None:
    served.engine.truncate()
    served.restart()

    async def scenario(send: Sender) -> None:
        for number, hour, count, key in statements:
            await send.funnel(snapshot(f"s-{number}", hour=hour, mode=mode, performance={key: count}))

    served.run(scenario)
    first: dict[int, tuple[int, int, int, str]] = {}
    for place, (number, hour, count, key) in enumerate(statements):
        first.setdefault(number, (hour, place, count, key))
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    for _hour, _place, count, key in sorted(first.values()):
        before = expected.get(("all_locales", key), (0, 0))[0] if mode == "add" else 0
        expected["all_locales", key] = (before + count, before + count)
    assert effective(served.engine) == expected
