"""Campaigns that register themselves: once, whoever asks, and only what is new touches the database."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from campanile.campaigns import registration
from campanile.campaigns.schemas import OVERFLOW, OVERFLOW_PLATFORM, CampaignHint
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.errors import Unavailable
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace
from campanile.workspaces.service import WorkspaceService
from tests.campaigns.registering import SECOND, one, problem, statements
from tests.campaigns.samples import (
    FLOW,
    NEW,
    NEWSLETTER,
    NODE,
    OTHER,
    PUSH,
    RUN_1,
    SALE,
    T0,
    hint,
    listing,
    simple,
)

# --- stubs


def test_the_first_event_creates_a_stub(campaigns: CampaignService, workspace: Workspace) -> None:
    campaign = one(
        campaigns, workspace, hint(NEW, until=5, platforms="ANDROID", locales="de", variations="variation_1")
    )
    assert (campaign.channel, campaign.delivery_type, campaign.status) == ("PUSH", None, "ACTIVE")
    assert (campaign.name, campaign.source, campaign.revision) == (NEW, "event", 1)
    assert (campaign.created_at, campaign.updated_at, campaign.sent_time) == (T0, T0, None)
    assert (campaign.first_event_at, campaign.last_event_at) == (T0, T0 + 5 * SECOND)
    assert (campaign.platforms, campaign.locales, campaign.variations) == (("ANDROID",), ("de",), ("variation_1",))
    assert (campaign.attempts, campaign.delivery_tracking) == ("explicit", True)
    assert campaigns.get("W", NEW) == campaign
    found = campaigns.document("W", NEW)
    assert found is not None
    assert found.document == {
        "campaign_id": NEW,
        "status": "ACTIVE",
        "channel": "PUSH",
        "created_at": "2024-11-30T10:00:00Z",
        "updated_at": "2024-11-30T10:00:00Z",
        "basic_details": {"name": NEW, "tags": [], "platforms": ["ANDROID"]},
        "source": "event",
        "auto_registered": True,
        "revision": 1,
        "first_event_at": "2024-11-30T10:00:00Z",
        "last_event_at": "2024-11-30T10:00:05Z",
        "total_child_campaigns": 0,
    }


def test_a_stub_takes_what_the_events_say(campaigns: CampaignService, workspace: Workspace) -> None:
    said = hint(
        NEW, name=" Hello\n world\0", delivery_type="event_triggered", flow_id=FLOW, flow_name="Onboarding",
        attempts="implied", sent=2,
    )  # fmt: skip
    campaign = one(campaigns, workspace, said)
    assert (campaign.name, campaign.delivery_type) == ("Hello world", "EVENT_TRIGGERED")
    assert (campaign.flow_id, campaign.flow_name, campaign.attempts) == (FLOW, "Onboarding", "implied")
    assert campaign.sent_time == T0 + 2 * SECOND
    found = campaigns.document("W", NEW)
    assert found is not None
    assert campaigns.put("W", NEW, found.document).result == "updated"  # the stub is described now
    assert campaigns.put("W", NEW, found.document).result == "unchanged"


@pytest.mark.parametrize("delivery_type", ["daily", "API_TRIGGERED"])
def test_a_delivery_type_that_cannot_be_is_not_taken(
    campaigns: CampaignService, workspace: Workspace, delivery_type: str
) -> None:
    assert one(campaigns, workspace, hint(NEW, delivery_type=delivery_type)).delivery_type is None


def test_an_unknown_parent_is_registered_first(campaigns: CampaignService, workspace: Workspace) -> None:
    child = one(
        campaigns, workspace, hint(NEW, at=7, parent_id=OTHER, name="Run 1", attempts="implied", platforms="IOS")
    )
    parent = campaigns.get("W", OTHER)
    assert parent is not None
    assert (child.parent_id, child.name, child.attempts) == (OTHER, "Run 1", "implied")
    assert (parent.channel, parent.name, parent.parent_id, parent.attempts) == ("PUSH", OTHER, None, "implied")
    assert parent.created_at == T0 + 7 * SECOND
    assert (parent.first_event_at, parent.observed_platforms) == (None, ())
    assert [item.campaign_id for item in campaigns.children_of("W", [OTHER])[OTHER]] == [NEW]


def test_a_child_of_a_described_parent_bears_its_name(shop: CampaignService, workspace: Workspace) -> None:
    child = one(shop, workspace, hint(NEW, channel="EMAIL", parent_id=NEWSLETTER))
    assert (child.name, child.delivery_type, child.attempts) == ("Weekly Newsletter", "PERIODIC", "implied")
    assert one(shop, workspace, hint(NEW, channel="EMAIL", name="Run")).name == "Run"


# --- refusals


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (hint(NEW, channel=""), ("unknown_campaign", "channel")),
        (hint("camp_abc"), ("invalid_value", "campaign_id")),
        (hint(NEW.upper()), ("invalid_value", "campaign_id")),
        (hint(NEW, parent_id=NEW), ("invalid_value", "parent_campaign_id")),
        (hint(NEW, parent_id="x"), ("invalid_value", "parent_campaign_id")),
        (hint(SALE, channel="SMS"), ("campaign_conflict", "channel")),
        (hint(NEW, channel="SMS", parent_id=NEWSLETTER), ("campaign_conflict", "channel")),
        (hint(NEW, channel="EMAIL", parent_id=RUN_1), ("campaign_conflict", "parent_campaign_id")),
        (hint(RUN_1, channel="EMAIL", parent_id=SALE), ("campaign_conflict", "parent_campaign_id")),
        (hint(NEWSLETTER, channel="EMAIL", parent_id=SALE), ("campaign_conflict", "parent_campaign_id")),
        (hint(NODE, channel="EMAIL", parent_id=NEWSLETTER), ("campaign_conflict", "parent_campaign_id")),
    ],
)
def test_events_that_cannot_be_taken(
    shop: CampaignService, workspace: Workspace, said: CampaignHint, expected: tuple[str, str]
) -> None:
    before = listing(shop, "W")
    for _ in range(2):
        assert problem(shop, workspace, said) == expected
    assert listing(shop, "W") == before


def test_without_automatic_registration_only_known_campaigns_are_taken(
    shop: CampaignService, workspaces: WorkspaceService
) -> None:
    workspace = workspaces.update_settings("W", {"auto_register_campaigns": "off"})
    assert problem(shop, workspace, hint(NEW)) == ("unknown_campaign", "campaign_id")
    said = hint(SALE, channel="EMAIL", parent_id=NEW)
    assert problem(shop, workspace, said) == ("unknown_campaign", "parent_campaign_id")
    assert one(shop, workspace, hint(SALE, channel="EMAIL", locales="fr")).observed_locales == ("fr",)
    assert shop.get("W", NEW) is None


def test_hints_that_contradict_each_other(campaigns: CampaignService, workspace: Workspace) -> None:
    """The first acceptable one decides; the caller finds out which events belong to it."""
    for _ in range(2):
        campaign = one(
            campaigns,
            workspace,
            hint(NEW, channel="", locales="de"),
            hint(NEW, channel="PUSH"),
            hint(NEW, channel="SMS", until=99),
            hint(NEW, channel="PUSH", parent_id=OTHER, until=5),
        )
        found = campaigns.document("W", NEW)
        assert found is not None
        assert found.document["last_event_at"] == "2024-11-30T10:00:05Z"
        assert (campaign.channel, campaign.parent_id, campaign.observed_locales) == ("PUSH", OTHER, ("de",))
    assert campaigns.contradiction(campaign) is None
    assert campaigns.contradiction(campaign, channel="PUSH", parent_id=OTHER) is None
    wrong_channel = campaigns.contradiction(campaign, channel="SMS")
    wrong_parent = campaigns.contradiction(campaign, parent_id=SALE)
    assert wrong_channel is not None
    assert wrong_parent is not None
    assert (wrong_channel.type, wrong_channel.attribute) == ("campaign_conflict", "channel")
    assert (wrong_parent.type, wrong_parent.attribute) == ("campaign_conflict", "parent_campaign_id")


def test_a_channel_is_learnt_once_and_for_all(campaigns: CampaignService, workspace: Workspace) -> None:
    one(campaigns, workspace, hint(NEW, channel="SMS"))
    assert one(campaigns, workspace, hint(NEW, channel="")).channel == "SMS"
    assert problem(campaigns, workspace, hint(NEW, channel="EMAIL")) == ("campaign_conflict", "channel")


# --- later events


def test_later_events_fill_only_what_is_empty(campaigns: CampaignService, workspace: Workspace) -> None:
    one(campaigns, workspace, hint(NEW, at=10))
    campaign = one(campaigns, workspace, hint(NEW, at=20, name="First", delivery_type="ONE_TIME", sent=21))
    assert (campaign.name, campaign.delivery_type, campaign.revision) == ("First", "ONE_TIME", 2)
    assert (campaign.created_at, campaign.sent_time) == (T0 + 10 * SECOND, T0 + 21 * SECOND)
    campaign = one(campaigns, workspace, hint(NEW, at=5, name="Second", delivery_type="PERIODIC", sent=6))
    assert (campaign.name, campaign.delivery_type, campaign.revision) == ("First", "ONE_TIME", 2)
    assert (campaign.created_at, campaign.first_event_at) == (T0 + 5 * SECOND, T0 + 5 * SECOND)
    assert campaign.sent_time == T0 + 6 * SECOND
    campaign = one(campaigns, workspace, hint(NEW, parent_id=OTHER))
    assert (campaign.parent_id, campaign.revision) == (OTHER, 3)


def test_what_somebody_wrote_is_not_overwritten(campaigns: CampaignService, workspace: Workspace) -> None:
    written = simple(
        "Mine",
        channel="PUSH",
        platforms=["ANDROID"],
        created_at="2024-12-24T00:00:00Z",
        sent_time="2024-12-24T12:00:00Z",
        campaign_content={"locales": ["de"], "variation_details": {"no_of_variations": 2}},
    )
    campaigns.put("W", NEW, written)
    before = campaigns.get("W", NEW)
    assert before is not None
    said = hint(NEW, name="Theirs", delivery_type="PERIODIC", flow_id=FLOW, flow_name="F", attempts="implied", sent=1,
                platforms="IOS WEB", locales="fr", variations="v")  # fmt: skip
    after = one(campaigns, workspace, said)
    observed = msgspec.structs.replace(
        before,
        observed_platforms=("IOS", "WEB"),
        observed_locales=("fr",),
        observed_variations=("v",),
        first_event_at=T0,
        last_event_at=T0,
    )
    assert after == observed
    assert campaigns.put("W", NEW, written).result == "unchanged"


def test_a_description_keeps_what_was_observed(campaigns: CampaignService, workspace: Workspace) -> None:
    one(campaigns, workspace, hint(NEW, at=3, until=9, sent=4, platforms="IOS", locales="de", variations="v"))
    assert campaigns.put("W", NEW, simple("Named", channel="PUSH")).result == "updated"
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert (campaign.source, campaign.revision, campaign.name) == ("api", 2, "Named")
    assert (campaign.platforms, campaign.locales, campaign.variations) == (("IOS",), ("de",), ("v",))
    assert (campaign.created_at, campaign.sent_time) == (T0 + 3 * SECOND, T0 + 4 * SECOND)
    assert (campaign.first_event_at, campaign.last_event_at) == (T0 + 3 * SECOND, T0 + 9 * SECOND)
    assert one(campaigns, workspace, hint(NEW, at=99, name="Event name")).name == "Named"


def test_channels_without_devices_show_no_platforms(campaigns: CampaignService, workspace: Workspace) -> None:
    campaign = one(campaigns, workspace, hint(NEW, channel="CARDS", platforms="CARDS"))
    assert (campaign.platforms, campaign.observed_platforms) == ((), ("CARDS",))
    found = campaigns.document("W", NEW)
    assert found is not None
    assert "platforms" not in found.document["basic_details"]


def test_platforms_that_a_document_cannot_name_are_not_in_it(campaigns: CampaignService, workspace: Workspace) -> None:
    campaign = one(campaigns, workspace, hint(NEW, channel="IN_APP", platforms="ROKU UNKNOWN WEB"))
    assert campaign.platforms == ("ROKU", "UNKNOWN", "WEB")
    found = campaigns.document("W", NEW)
    assert found is not None
    assert found.document["basic_details"]["platforms"] == ["WEB"]


def test_observed_values_are_limited(campaigns: CampaignService, workspace: Workspace, metadata: Metadata) -> None:
    locales = {f"l{number:04}" for number in range(250)}
    platforms = {f"P{number:04}" for number in range(25)}
    said = msgspec.structs.replace(hint(NEW), locales=frozenset(locales), platforms=frozenset(platforms))
    campaign = one(campaigns, workspace, said)
    assert len(campaign.observed_locales) == 201
    assert len(campaign.observed_platforms) == 21
    assert OVERFLOW in campaign.observed_locales
    assert OVERFLOW_PLATFORM in campaign.observed_platforms
    with statements(metadata) as sent:
        assert one(campaigns, workspace, said) == campaign
        assert one(campaigns, workspace, hint(NEW, locales="yet another", platforms="XX")) == campaign
    assert sent == []


def test_a_value_named_like_the_overflow_takes_no_extra_room(
    campaigns: CampaignService, workspace: Workspace, metadata: Metadata
) -> None:
    values = frozenset({OVERFLOW, *(f"v{number:04}" for number in range(199))})
    one(campaigns, workspace, msgspec.structs.replace(hint(NEW), variations=values))
    full = one(campaigns, workspace, hint(NEW, variations="one more"))
    assert len(full.observed_variations) == 200
    with statements(metadata) as sent:
        one(campaigns, workspace, hint(NEW, variations="and one more"))
    assert sent == []


# --- cost


def test_what_is_known_asks_nobody(shop: CampaignService, workspace: Workspace, metadata: Metadata) -> None:
    said = [
        hint(SALE, channel="EMAIL", platforms="EMAIL", locales="de fr", variations="a b", sent=1),
        hint(NEW, parent_id=PUSH, platforms="IOS"),
        hint(OTHER, channel="SMS", name="N", delivery_type="ONE_TIME", flow_id=FLOW, flow_name="F"),
    ]
    first = shop.register(workspace, said)
    with statements(metadata) as sent:
        assert shop.register(workspace, said) == first
        later = [msgspec.structs.replace(item, last_at=item.last_at + SECOND) for item in said]
        assert shop.register(workspace, later) == first
        assert shop.register(workspace, [hint(NEW, at=50, channel="", locales="")])[NEW] == first[NEW]
    assert sent == []


def test_another_process_asks_once(
    shop: CampaignService, workspace: Workspace, metadata: Metadata, clock: FixedClock
) -> None:
    said = hint(SALE, channel="EMAIL", locales="de")
    one(shop, workspace, said)
    other = CampaignService(metadata, clock)
    with statements(metadata) as sent:
        one(other, workspace, said)
    assert not any(statement.startswith(("INSERT", "UPDATE")) for statement in sent)
    with statements(metadata) as sent:
        one(other, workspace, said)
    assert sent == []


def test_the_memory_is_bounded(
    campaigns: CampaignService, workspace: Workspace, metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "KNOWN_CAMPAIGNS", 3)
    names = [f"{number:024x}" for number in range(5)]
    campaigns.register(workspace, [hint(name) for name in names])
    assert len(campaigns._registrar._known) == 3
    assert set(campaigns.register(workspace, [hint(name) for name in names])) == set(names)


# --- the time of the last event


def test_the_time_of_the_last_event_is_written_now_and_then(
    campaigns: CampaignService, workspace: Workspace, metadata: Metadata, clock: FixedClock
) -> None:
    other = CampaignService(metadata, clock)

    def stored() -> Any:
        campaign = other.get("W", NEW)
        assert campaign is not None
        return campaign.last_event_at

    def shown() -> str:
        found = campaigns.document("W", NEW)
        assert found is not None
        return str(found.document["last_event_at"])

    one(campaigns, workspace, hint(NEW))
    one(campaigns, workspace, hint(NEW, until=5))
    assert (stored(), shown()) == (T0, "2024-11-30T10:00:05Z")
    clock.advance(registration.LAST_EVENT_SECONDS)
    one(campaigns, workspace, hint(NEW, until=7))
    assert (stored(), shown()) == (T0 + 7 * SECOND, "2024-11-30T10:00:07Z")
    one(campaigns, workspace, hint(NEW, until=9))
    assert stored() == T0 + 7 * SECOND
    one(other, workspace, hint(NEW, until=20))
    other.flush()
    campaigns.flush()
    assert stored() == T0 + 20 * SECOND
    assert [item.last_event_at for item in listing(campaigns, "W")] == [T0 + 20 * SECOND]


def test_a_failed_note_of_the_last_event_refuses_nothing(
    campaigns: CampaignService, workspace: Workspace, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one(campaigns, workspace, hint(NEW))
    clock.advance(registration.LAST_EVENT_SECONDS)

    def broken(*_: Any) -> None:
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(registration.repository, "set_last_events", broken)
        one(campaigns, workspace, hint(NEW, until=5))
        with pytest.raises(Unavailable):
            campaigns.flush()
    campaigns.flush()
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert campaign.last_event_at == T0 + 5 * SECOND
