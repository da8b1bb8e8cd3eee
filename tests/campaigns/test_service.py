"""Writing and reading single campaigns, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from campanile.campaigns import repository
from campanile.campaigns.schemas import Goal, Written
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.errors import CampanileError, Conflict, InvalidInput, NotFound, PreconditionFailed, Unavailable
from campanile.metadata import Metadata
from campanile.metadata.models import IdempotencyRow
from campanile.workspaces.service import WorkspaceService
from tests.campaigns.samples import (
    DOCUMENTS,
    FLOW,
    NEW,
    NEWSLETTER,
    NOBODY,
    NODE,
    OLD,
    OTHER,
    PUSH,
    RUN_1,
    RUN_2,
    RUN_3,
    SALE,
    SALE_DOCUMENT,
    SMS,
    hint,
    listing,
    simple,
)


def refused(
    campaigns: CampaignService, campaign_id: str, raw: object
) -> tuple[type[CampanileError], list[tuple[str, str]]]:
    with pytest.raises(CampanileError) as caught:
        campaigns.put("W", campaign_id, raw)
    return type(caught.value), [(problem.type, problem.attribute) for problem in caught.value.problems]


def document(campaigns: CampaignService, campaign_id: str) -> dict[str, Any]:
    found = campaigns.document("W", campaign_id)
    assert found is not None
    return found.document


# --- put


def test_created_unchanged_updated(campaigns: CampaignService) -> None:
    assert campaigns.put("W", NEW, simple()) == Written(NEW, "created", 1)
    assert campaigns.put("W", NEW.upper(), simple()) == Written(NEW, "unchanged", 1)
    assert campaigns.put("W", NEW, simple(updated_at="2024-01-01T00:00:00Z")) == Written(NEW, "unchanged", 1)
    assert campaigns.put("W", NEW, simple(status="PAUSED")) == Written(NEW, "updated", 2)
    assert campaigns.put("W", NEW, simple(status="paused")) == Written(NEW, "unchanged", 2)
    assert campaigns.put("W", NEW, simple(connector={"on": 1})) == Written(NEW, "updated", 3)
    assert campaigns.put("W", NEW, simple(connector={"on": True})) == Written(NEW, "updated", 4)


@pytest.mark.parametrize("number", range(len(DOCUMENTS)))
def test_putting_twice_changes_nothing(shop: CampaignService, clock: FixedClock, number: int) -> None:
    raw = DOCUMENTS[number]
    before = document(shop, raw["campaign_id"])
    clock.advance(60)
    assert shop.put("W", raw["campaign_id"], raw).result == "unchanged"
    assert document(shop, raw["campaign_id"]) == before


def test_times_that_are_not_given(campaigns: CampaignService, clock: FixedClock) -> None:
    start = clock.now()
    campaigns.put("W", NEW, simple())
    clock.advance(60)
    campaigns.put("W", NEW, simple("y"))
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert (campaign.created_at, campaign.updated_at, campaign.sent_time) == (start, clock.now(), None)
    campaigns.put("W", NEW, simple("y", created_at="2020-01-01T00:00:00Z", sent_time="2020-01-02T00:00:00Z"))
    campaigns.put("W", NEW, simple("z"))
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert (campaign.created_at, campaign.sent_time) == (datetime(2020, 1, 1, tzinfo=UTC), None)


def test_the_id_in_the_path_rules(campaigns: CampaignService) -> None:
    format_problem = (InvalidInput, [("format", "campaign_id")])
    assert refused(campaigns, "camp_abc123", simple()) == format_problem
    assert refused(campaigns, NEW, simple(campaign_id=OTHER)) == format_problem
    assert refused(campaigns, NEW, simple(campaign_id=5)) == format_problem
    assert refused(campaigns, NEW, {"parent_id": NEW}) == (InvalidInput, [("format", "parent_id")])
    assert refused(campaigns, "x", simple(status="?"))[1] == [("format", "campaign_id"), ("enum", "status")]
    assert campaigns.put("W", NEW, simple(id=NEW.upper())).result == "created"


@pytest.mark.parametrize("raw", [None, [], "text", 5])
def test_a_document_is_an_object(campaigns: CampaignService, raw: object) -> None:
    assert refused(campaigns, NEW, raw) == (InvalidInput, [("type", "body")])


def test_warnings_are_handed_back(campaigns: CampaignService) -> None:
    written = campaigns.put("W", NEW, simple(mood="good"))
    assert [(remark.target, remark.message) for remark in written.warnings] == [("mood", "unknown field ignored")]


@pytest.mark.parametrize(
    ("campaign_id", "raw", "problems"),
    [
        (NEW, {"parent_id": NOBODY}, [("unknown_parent", "parent_id")]),
        (NEW, {"parent_id": RUN_1}, [("parent_is_child", "parent_id")]),
        (NEWSLETTER, {"parent_id": SALE}, [("has_children", "parent_id")]),
        (RUN_1, {"parent_id": SALE}, [("immutable", "parent_id")]),
        (SALE, simple(channel="SMS"), [("immutable", "channel")]),
        (RUN_1, {"parent_id": NEWSLETTER, "channel": "SMS"}, [("immutable", "channel")]),
        (NEW, {"parent_id": NEWSLETTER, "channel": "SMS"}, [("parent_channel", "channel")]),
        (SMS, {"parent_id": NEWSLETTER}, [("parent_channel", "channel")]),
        (RUN_1, simple(flow_id=FLOW), [("immutable", "flow_id")]),
    ],
)
def test_what_contradicts_the_stored_campaigns(
    shop: CampaignService, campaign_id: str, raw: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    before = shop.document("W", campaign_id)
    assert refused(shop, campaign_id, raw) == (Conflict, problems)
    assert shop.document("W", campaign_id) == before


def test_a_child_must_go_with_the_channel_of_its_parent(shop: CampaignService) -> None:
    raw = {"parent_id": NEWSLETTER, "delivery_type": "LOCATION_TRIGGERED", "platforms": ["IOS"]}
    assert refused(shop, NEW, raw) == (
        InvalidInput,
        [("enum", "campaign_delivery_type"), ("enum", "basic_details.platforms")],
    )


def test_a_parent_once_set_stays(shop: CampaignService) -> None:
    shop.put("W", RUN_1, simple("Own name", campaign_delivery_type="PERIODIC"))
    campaign = shop.get("W", RUN_1)
    assert campaign is not None
    assert (campaign.parent_id, campaign.name) == (NEWSLETTER, "Own name")
    assert shop.put("W", RUN_1, simple("Own name", campaign_delivery_type="PERIODIC")).result == "unchanged"


def test_a_campaign_may_get_a_parent_later(shop: CampaignService) -> None:
    assert shop.put("W", OLD, {"parent_id": NEWSLETTER}).result == "updated"
    assert [child.campaign_id for child in shop.children_of("W", [NEWSLETTER])[NEWSLETTER]] == [OLD, RUN_1, RUN_2]


def test_conditions(campaigns: CampaignService) -> None:
    def put(**conditions: Any) -> str:
        return campaigns.put("W", NEW, simple(), **conditions).result

    for impossible in ({"if_match": "*"}, {"if_match": frozenset({1})}):
        with pytest.raises(PreconditionFailed):
            put(**impossible)
    assert campaigns.get("W", NEW) is None
    assert put(if_none_match="*") == "created"
    for impossible in ({"if_none_match": "*"}, {"if_none_match": frozenset({1, 5})}, {"if_match": frozenset({2})},
                       {"if_match": frozenset()}):  # fmt: skip
        with pytest.raises(PreconditionFailed):
            put(**impossible)
    assert put(if_match="*") == put(if_match=frozenset({1, 2})) == put(if_none_match=frozenset({2})) == "unchanged"


def test_of_many_creators_one_creates(metadata: Metadata, clock: FixedClock, campaigns: CampaignService) -> None:
    services = [CampaignService(metadata, clock) for _ in range(6)]
    with ThreadPoolExecutor(len(services)) as pool:
        written = list(pool.map(lambda item: item[1].put("W", NEW, simple(str(item[0]))), enumerate(services)))
    assert sorted(item.revision for item in written) == [1, 2, 3, 4, 5, 6]
    assert sorted(item.result for item in written) == ["created"] + ["updated"] * 5


def test_two_cannot_become_parent_of_each_other(
    metadata: Metadata, clock: FixedClock, campaigns: CampaignService
) -> None:
    for name in (NEW, OTHER):
        campaigns.put("W", name, simple())

    def adopt(pair: tuple[str, str]) -> bool:
        try:
            CampaignService(metadata, clock).put("W", pair[0], {"parent_id": pair[1]})
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(adopt, [(NEW, OTHER), (OTHER, NEW)])) == [False, True]


def test_only_writers_of_campaigns_wait_for_each_other(metadata: Metadata, campaigns: CampaignService) -> None:
    """A long import must not hold up rows that merely refer to the workspace."""
    if metadata.dialect == "sqlite":
        return  # one writer at a time, whatever is written
    with metadata.begin() as writer:
        repository.lock(writer, "W")
        with metadata.begin() as other:
            other.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            other.execute(
                insert(IdempotencyRow).values(workspace_id="W", key="k", digest=b"", expires_at=datetime.now(UTC))
            )
        with pytest.raises(Unavailable), metadata.begin() as another:
            another.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            repository.lock(another, "W")


# --- reading


def test_what_the_numbers_see_of_a_campaign(shop: CampaignService) -> None:
    campaign = shop.get("W", SALE)
    assert campaign is not None
    assert (campaign.channel, campaign.delivery_type, campaign.status) == ("EMAIL", "ONE_TIME", "SENT")
    assert (campaign.name, campaign.parent_id, campaign.flow_id) == ("Summer Sale", None, None)
    assert campaign.created_at == datetime(2024, 7, 4, 8, 0, 54, 847000, tzinfo=UTC)
    assert campaign.sent_time == datetime(2024, 7, 4, 20, 32, tzinfo=UTC)
    assert (campaign.platforms, campaign.locales) == ((), ("es-ES",))
    assert campaign.variations == ("variation_1", "variation_2")
    assert campaign.goals == (
        Goal(
            name="Purchase",
            event="purchase_completed",
            attribute='{"name":"price","condition":"greater","data_type":"DOUBLE","value":10}',
            is_primary=True,
            revenue_attribute="price",
            revenue_currency="USD",
        ),
    )
    assert campaign.attribution_window_hours == 36
    assert (campaign.campaign_control_group, campaign.global_control_group) == (True, True)
    assert (campaign.attempts, campaign.delivery_tracking, campaign.archived) == ("explicit", True, False)
    assert (campaign.source, campaign.revision, campaign.first_event_at) == ("import", 1, None)


def test_a_child_inherits_what_it_does_not_say(shop: CampaignService) -> None:
    child = shop.get("W", RUN_2)
    assert child is not None
    assert (child.channel, child.delivery_type, child.name) == ("EMAIL", "PERIODIC", "Weekly Newsletter")
    assert [goal.name for goal in child.goals] == ["Visit"]
    assert (child.campaign_control_group, child.global_control_group) == (False, True)
    assert (child.attempts, child.delivery_tracking) == ("implied", False)
    own = {"parent_id": NEWSLETTER, "attempts": "explicit", "delivery_tracking": True, "name": "Run",
           "control_group_details": {"is_global_control_group_enabled": False}}  # fmt: skip
    shop.put("W", RUN_2, own)
    child = shop.get("W", RUN_2)
    assert child is not None
    assert (child.attempts, child.delivery_tracking, child.name, child.global_control_group) == (
        "explicit",
        True,
        "Run",
        False,
    )


def test_campaigns_are_found_by_the_id_as_asked(shop: CampaignService) -> None:
    found = shop.get_many("W", [SMS, NOBODY, SALE.upper(), "not an id", OLD, SMS])
    assert list(found) == [SMS, SALE.upper(), OLD]
    assert found[SALE.upper()].campaign_id == SALE
    assert shop.get_many("W", []) == {}
    assert shop.get("W", "") is None


def test_workspaces_do_not_see_each_other(shop: CampaignService, workspaces: WorkspaceService) -> None:
    workspaces.create("Two", id="V")
    assert shop.get("V", SALE) is shop.document("V", SALE) is None
    assert listing(shop, "V") == []
    assert shop.children_of("V", [NEWSLETTER]) == {}
    with pytest.raises(Conflict):
        shop.put("V", NEW, {"parent_id": NEWSLETTER})
    assert shop.put("V", SALE, simple("Of V")).result == "created"
    assert [item.name for item in listing(shop, "V")] == ["Of V"]
    assert shop.get_many("W", [SALE])[SALE].name == "Summer Sale"
    with pytest.raises(NotFound):
        shop.put("nobody", NEW, simple())


def test_children_oldest_first(shop: CampaignService) -> None:
    children = shop.children_of("W", [NEWSLETTER, SALE, NOBODY, "not an id"])
    assert {parent: [child.campaign_id for child in found] for parent, found in children.items()} == {
        NEWSLETTER: [RUN_1, RUN_2]
    }
    assert {child.name for child in children[NEWSLETTER]} == {"Weekly Newsletter"}


def ids(campaigns: CampaignService) -> list[str]:
    return [campaign.campaign_id for campaign in listing(campaigns, "W")]


def test_the_listing_is_by_age_without_archived_and_single_call_campaigns(shop: CampaignService) -> None:
    shop.put("W", NEW, simple(campaign_delivery_type="API_TRIGGERED"))
    assert ids(shop) == [NEWSLETTER, NODE, SMS, RUN_1, RUN_2, SALE, PUSH]
    shop.put("W", OTHER, simple(created_at="2024-05-20T06:04:50.505Z"))
    assert ids(shop) == [NEWSLETTER, NODE, OTHER, SMS, RUN_1, RUN_2, SALE, PUSH]


def test_everything_includes_what_the_listing_leaves_out(shop: CampaignService) -> None:
    shop.put("W", NEW, simple(campaign_delivery_type="API_TRIGGERED"))
    everything = [campaign.campaign_id for campaign in shop.everything("W")]
    assert set(everything) > {NEW, *ids(shop)}
    assert [name for name in everything if name in ids(shop)] == ids(shop)
    assert shop.everything("elsewhere") == []


def test_many_documents_are_those_of_single_reads(shop: CampaignService) -> None:
    names = [campaign.campaign_id for campaign in shop.everything("W")]
    found = shop.documents("W", [*names, NOBODY])
    assert found.keys() == set(names)
    for name in names:
        single = {key: value for key, value in document(shop, name).items() if key != "total_child_campaigns"}
        assert {key: value for key, value in found[name].items() if key != "total_child_campaigns"} == single
    assert shop.documents("elsewhere", names) == {}


def test_the_listing_follows_changes_of_other_processes(
    metadata: Metadata, clock: FixedClock, shop: CampaignService
) -> None:
    other = CampaignService(metadata, clock)
    assert ids(shop) == ids(other)
    other.put("W", SALE, {**SALE_DOCUMENT, "status": "ARCHIVED"})
    assert SALE not in ids(shop)
    newsletter = other.document("W", NEWSLETTER)
    assert newsletter is not None
    other.put("W", NEWSLETTER, {**newsletter.document, "campaign_name": "Renamed", "basic_details": None})
    assert {item.name for item in listing(shop, "W") if NEWSLETTER in (item.parent_id, item.campaign_id)} == {"Renamed"}
    other.put("W", RUN_3, {"parent_id": NEWSLETTER, "created_at": "2024-07-08T00:00:00Z"})
    assert ids(shop) == ids(other) == ids(CampaignService(metadata, clock))


def test_the_listing_equals_what_is_stored_however_it_came_about(
    metadata: Metadata, clock: FixedClock, shop: CampaignService, workspaces: WorkspaceService
) -> None:
    workspace = workspaces.get("W")
    assert workspace is not None
    steps: list[Any] = [
        lambda: shop.put("W", PUSH, {**DOCUMENTS[2], "status": "ARCHIVED"}),
        lambda: shop.put("W", PUSH, {**DOCUMENTS[2], "status": "ACTIVE"}),
        lambda: shop.register(workspace, [hint(NEW, at=5, channel="EMAIL", parent_id=NEWSLETTER)]),
        lambda: shop.register(workspace, [hint(NEW, at=-9, channel="EMAIL", sent=1, locales="de fr")]),
        lambda: shop.register(workspace, [hint(OTHER, channel="SMS"), hint(SALE, channel="EMAIL", variations="a")]),
        lambda: shop.put("W", OTHER, simple("Described", channel="SMS")),
    ]
    for step in steps:
        step()
        fresh = CampaignService(metadata, clock)
        assert listing(shop, "W") == listing(fresh, "W")
        assert shop.everything("W") == fresh.everything("W")
        shown = [item for item in fresh.everything("W") if item.has_stats and not item.archived]
        assert listing(shop, "W") == shown


# --- the document


def test_the_document_is_complete(shop: CampaignService, clock: FixedClock) -> None:
    expected = {
        **SALE_DOCUMENT,
        "source": "import",
        "auto_registered": False,
        "revision": 1,
        "total_child_campaigns": 0,
    }
    assert document(shop, SALE) == expected
    assert document(shop, NEWSLETTER)["total_child_campaigns"] == 2
    assert document(shop, NEWSLETTER)["updated_at"] == "2026-03-18T12:00:00Z"
    assert shop.document("W", NOBODY) is shop.document("W", "not an id") is None


def test_the_document_of_a_child_shows_what_it_inherits(shop: CampaignService) -> None:
    child = document(shop, RUN_2)
    assert child["channel"] == "EMAIL"
    assert child["campaign_delivery_type"] == "PERIODIC"
    assert child["created_by"] == "ana@example.com"
    assert child["basic_details"] == {"name": "Weekly Newsletter", "tags": ["newsletter"], "team": "Retention"}
    assert child["parent_id"] == NEWSLETTER
    assert child["sent_time"] == "2024-07-01T14:30:11Z"


@pytest.mark.parametrize("number", [number for number, raw in enumerate(DOCUMENTS) if "parent_id" not in raw])
def test_a_document_that_was_read_can_be_put_back(shop: CampaignService, number: int) -> None:
    name = DOCUMENTS[number]["campaign_id"]
    written = shop.put("W", name, document(shop, name))
    assert (written.result, written.warnings) == ("unchanged", ())


@pytest.mark.parametrize(
    ("given", "stored", "shown"),
    [
        ("on_site", "OSM", "ONSITE"),
        ("Connector", "CONNECTOR", "CONNECTORS"),
        ("facebook_audience", "FACEBOOK_AUDIENCE", "FACEBOOK"),
        ("google_ads", "GOOGLE_ADS_AUDIENCE", "GOOGLE ADS"),
        ("inapp", "IN_APP", "IN_APP"),
        ("CONNECTED_APPS", "CONNECTED_APPS", "CONNECTED_APPS"),
        ("other", "OTHER", "OTHER"),
    ],
)
def test_channels_have_their_own_names_in_documents(
    campaigns: CampaignService, given: str, stored: str, shown: str
) -> None:
    campaigns.put("W", NEW, simple(channel=given))
    campaign = campaigns.get("W", NEW)
    assert campaign is not None
    assert campaign.channel == stored
    assert document(campaigns, NEW)["channel"] == shown
    assert campaigns.put("W", NEW, document(campaigns, NEW)).result == "unchanged"
