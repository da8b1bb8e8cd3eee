"""Campaigns that register themselves from several places at once, or in any split into batches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from campanile.campaigns.schemas import Campaign, CampaignHint
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService
from tests.campaigns.registering import SECOND
from tests.campaigns.samples import (
    NEW,
    OTHER,
    SMS,
    T0,
    hint,
    listing,
    simple,
)
from tests.support.sampling import examples


def test_parallel_registration_creates_one(
    metadata: Metadata, clock: FixedClock, workspace: Workspace, campaigns: CampaignService
) -> None:
    """Threads of one process and several processes, all with the first event of the same campaigns."""
    services = [CampaignService(metadata, clock) for _ in range(4)]
    barrier = threading.Barrier(8)

    def register(number: int) -> dict[str, Any]:
        barrier.wait(30)
        said = [
            hint(NEW, at=number, parent_id=OTHER, platforms=f"P{number}", locales=f"l{number}"),
            hint(SMS, channel="SMS", at=-number, variations=f"v{number}"),
        ]
        return services[number % 4].register(workspace, said)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(register, range(8)))
    assert all(isinstance(item, Campaign) for outcome in outcomes for item in outcome.values())
    found = campaigns.get_many("W", [NEW, OTHER, SMS])
    assert len(listing(campaigns, "W")) == len(found) == 3
    assert found[NEW].observed_platforms == tuple(f"P{number}" for number in range(8))
    assert found[NEW].observed_locales == tuple(f"l{number}" for number in range(8))
    assert found[NEW].parent_id == OTHER
    assert found[NEW].created_at == T0
    assert found[SMS].observed_variations == tuple(f"v{number}" for number in range(8))
    assert (found[SMS].first_event_at, found[SMS].last_event_at) == (T0 - 7 * SECOND, T0)


def test_of_parallel_contradictions_one_wins(
    metadata: Metadata, clock: FixedClock, workspace: Workspace, campaigns: CampaignService
) -> None:
    barrier = threading.Barrier(6)
    channels = ["PUSH", "SMS", "EMAIL"] * 2

    def register(channel: str) -> Any:
        barrier.wait(30)
        return CampaignService(metadata, clock).register(workspace, [hint(NEW, channel=channel)])[NEW]

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(register, channels))
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    for channel, outcome in zip(channels, outcomes, strict=True):
        assert isinstance(outcome, Campaign) == (channel == campaign.channel)


def test_registration_and_description_at_once(
    metadata: Metadata, clock: FixedClock, workspace: Workspace, campaigns: CampaignService
) -> None:
    barrier = threading.Barrier(4)

    def act(number: int) -> None:
        barrier.wait(30)
        service = CampaignService(metadata, clock)
        if number % 2:
            service.put("W", NEW, simple("Mine", channel="PUSH"))
        else:
            service.register(workspace, [hint(NEW, name="Theirs", locales=f"l{number}")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(act, range(4)))
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert (campaign.name, campaign.source) == ("Mine", "api")
    assert campaign.observed_locales == ("l0", "l2")


def test_the_latest_event_stays_the_latest_when_a_later_batch_says_something_else(
    workspaces: WorkspaceService, metadata: Metadata, clock: FixedClock
) -> None:
    workspace = workspaces.create("x").workspace
    service = CampaignService(metadata, clock)
    service.register(workspace, [hint(NEW, at=0)])
    service.register(workspace, [hint(NEW, at=0, until=2)])
    service.register(workspace, [hint(NEW, at=0, until=1, name="N")])
    service.flush()
    campaign = CampaignService(metadata, clock).get(workspace.id, NEW)
    assert campaign is not None
    assert campaign.last_event_at == hint(NEW, at=0, until=2).last_at


HINTS = st.builds(
    lambda number, at, span, sent, channel, platforms, locales, name: hint(
        f"{number:024x}", at=at, until=at + span, channel=channel, platforms=platforms, locales=locales, name=name,
        **({} if sent is None else {"sent": sent}),
    ),
    st.integers(0, 2), st.integers(0, 50), st.integers(0, 50), st.none() | st.integers(0, 50),
    st.sampled_from(["PUSH", "SMS"]), st.sampled_from(["", "A", "B", "A B"]), st.sampled_from(["", "de", "fr de"]),
    st.sampled_from(["", "N"]),
)  # fmt: skip


@examples(25)
@given(st.lists(st.lists(HINTS, max_size=4), max_size=5), st.data())
def test_the_split_into_batches_and_processes_does_not_matter(
    workspaces: WorkspaceService, metadata: Metadata, clock: FixedClock, batches: list[list[CampaignHint]], data: Any
) -> None:
    """What any batches over any processes leave behind is what one process makes of all hints at once."""
    together, apart = (workspaces.create("x").workspace for _ in range(2))
    everything = [item for batch in batches for item in batch]
    single, *services = [CampaignService(metadata, clock) for _ in range(3)]
    single.register(together, everything)
    for batch in batches:
        services[data.draw(st.integers(0, 1))].register(apart, batch)
    for service in (single, *services):
        service.flush()
    fresh = CampaignService(metadata, clock)

    def plain(workspace: Workspace) -> list[Campaign]:
        # How often the row was touched on the way is not part of what was said.
        return [msgspec.structs.replace(item, revision=0) for item in listing(fresh, workspace.id)]

    assert plain(apart) == plain(together)
