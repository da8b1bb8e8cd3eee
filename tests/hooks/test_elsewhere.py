"""The receivers with their memory in PostgreSQL, on one store and on two ClickHouse nodes: the same facts, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile.clock import FixedClock
from tests.hooks.reports import CHANNEL, IMPLIED, PROVIDERS, QUERY, reported
from tests.hooks.served import HookHouse, Poster, until
from tests.intake.served import click
from tests.intake.worlds import CAMPAIGN, rows
from tests.support.postgres import postgres_database

pytestmark = pytest.mark.slow


@pytest.fixture(params=["chdb", "cluster"])
def elsewhere(
    request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path, clock: FixedClock
) -> Iterator[HookHouse]:
    engine = request.getfixturevalue(f"{request.param}_engine")
    with postgres_database(postgres_url) as url:
        house = HookHouse(engine, tmp_path, clock, metadata_url=url)
        yield house
        house.close()


def test_reports_count_once_and_those_that_wait_find_their_message(elsewhere: HookHouse) -> None:
    """Every provider in a workspace of its own: one report that says everything, and one that waits, each twice."""
    house = elsewhere
    hooks = {}
    for provider in PROVIDERS:
        house.workspaces.create(
            provider,
            id=provider,
            report_key=f"report-{provider}",
            ingest_key=f"ingest-{provider}",
            manage_key=f"manage-{provider}",
        )
        hooks[provider] = house.hook(provider, workspace=provider)

    async def scenario(send: Poster) -> None:
        for provider, made in hooks.items():
            for _ in range(2):
                await send.deliver(made, reported(provider), query=QUERY.get(provider, ""))
                await send.deliver(made, reported(provider, dimensions=False, message="m-2"))
            native = click(
                "native", type="sent", channel=CHANNEL.get(provider, "EMAIL"), provider=provider, message_id="m-2",
                user_id="u-9",
            )  # fmt: skip
            assert (await send.events(native, user=f"{provider}:ingest-{provider}")).status_code == 200
        for provider in hooks:
            await until(lambda provider=provider: ("delivered", "m-2") in found(house, provider))  # type: ignore[misc]

    house.run(scenario)
    for provider in hooks:
        first = [(kind, "m-1") for kind in (*IMPLIED.get(provider, []), "delivered")]
        assert found(house, provider) == sorted([*first, ("delivered", "m-2"), ("sent", "m-2")]), provider
        assert set(rows(house.engine, "campaign_id", provider)) == {(CAMPAIGN,)}


def found(house: HookHouse, workspace: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows(house.engine, "type, message_id", workspace)]
