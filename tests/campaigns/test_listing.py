"""The list of campaigns: what it finds, in which order, page by page, on both databases."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select
from sqlalchemy import text as sql

from campanile.campaigns import service
from campanile.campaigns.listing import repository as listing
from campanile.campaigns.schemas import Campaign, CampaignHint, ListPage, ListQuery, SortKey
from campanile.campaigns.service import CampaignService
from campanile.metadata import Metadata
from campanile.metadata.models import CampaignTagRow, ListedCampaignRow
from campanile.workspaces.schemas import Workspace
from tests.campaigns.samples import (
    DOCUMENTS,
    FLOW,
    NEW,
    NEWSLETTER,
    NEWSLETTER_DOCUMENT,
    OLD,
    PUSH,
    RUN_1,
    RUN_2,
    SALE,
    T0,
    lines,
)

SORTS: dict[SortKey, Any] = {
    "name": lambda campaign: campaign.name.casefold(),
    "created": lambda campaign: campaign.created_at,
    "channel": lambda campaign: campaign.channel,
    "status": lambda campaign: campaign.status,
}


def ids(found: ListPage) -> list[str]:
    return [item.campaign.campaign_id for item in found.items]


def search(campaigns: CampaignService, **query: Any) -> list[str]:
    return ids(campaigns.page("W", ListQuery(**query)))


def visible(campaigns: CampaignService) -> list[Campaign]:
    return [item for item in campaigns.everything("W") if not item.archived]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_follow_each_other_forwards_and_backwards(
    shop: CampaignService, sort: SortKey, descending: bool, limit: int
) -> None:
    everything = sorted(visible(shop), key=lambda item: (SORTS[sort](item), item.campaign_id), reverse=descending)
    expected = [item.campaign_id for item in everything]
    query = ListQuery(sort=sort, descending=descending, limit=limit)
    found = shop.page("W", query)
    assert found.first is None
    pages = [ids(found)]
    while found.last is not None:
        found = shop.page("W", ListQuery(sort=sort, descending=descending, limit=limit, after=found.last))
        assert found.total == len(expected)
        pages.append(ids(found))
    assert [name for page in pages for name in page] == expected
    back = [pages.pop()]
    while found.first is not None:
        found = shop.page("W", ListQuery(sort=sort, descending=descending, limit=limit, before=found.first))
        back.append(ids(found))
        assert back[-1] == pages.pop()
    assert pages == []


def test_searches_see_no_difference_in_case_and_width(campaigns: CampaignService) -> None:
    documents = [
        {"campaign_id": f"{number:024x}", "channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "name": name}
        for number, name in enumerate(["Größter Sommer-Verkauf", "夏のセール ＡＢＣ", "100% off_all", "plain"], start=1)
    ]
    assert campaigns.import_lines("W", lines(*documents)).created == 4
    for text, number in [
        ("GRÖSSTER", 1),
        ("verkauf größ", 1),
        ("セール abc", 2),
        ("100%", 3),
        ("f_a", 3),
        ("PLAIN", 4),
    ]:
        assert search(campaigns, search=text) == [f"{number:024x}"], text
    assert search(campaigns, search="1%") == []
    assert search(campaigns, search="0" * 23 + "4") == [f"{4:024x}"]
    assert len(search(campaigns, search="  ")) == 4


def test_filters_narrow_and_combine(shop: CampaignService) -> None:
    shown = visible(shop)
    assert set(search(shop, channels=("PUSH",))) == {item.campaign_id for item in shown if item.channel == "PUSH"}
    assert search(shop, statuses=("ARCHIVED",)) == [OLD]
    assert set(search(shop, delivery_types=("PERIODIC",))) == {NEWSLETTER, RUN_1, RUN_2}
    assert search(shop, tags=("summer", "sale")) == [SALE]
    assert search(shop, tags=("summer", "newsletter")) == []
    assert set(search(shop, tags=("newsletter",))) == {NEWSLETTER, RUN_1, RUN_2}
    assert search(shop, parent_id=NEWSLETTER, sort="created", descending=False) == [RUN_1, RUN_2]
    assert search(shop, relation="parents") == [NEWSLETTER]
    assert set(search(shop, relation="children")) == {RUN_1, RUN_2}
    assert set(search(shop, relation="top")) == {item.campaign_id for item in shown if item.parent_id is None}
    assert search(shop, channels=("EMAIL",), statuses=("SENT",), relation="top") == [SALE]
    created = next(item for item in shown if item.campaign_id == SALE).created_at
    moment = int(created.timestamp() * 1000)
    assert SALE in search(shop, created_from=moment, created_before=moment + 1)
    assert SALE not in search(shop, created_from=moment + 1)
    assert SALE not in search(shop, created_before=moment)


def test_rows_tell_tags_and_children(shop: CampaignService) -> None:
    found = {item.campaign.campaign_id: item for item in shop.page("W", ListQuery()).items}
    assert found[NEWSLETTER].children == 2
    assert found[RUN_1].tags == ("newsletter",)
    assert found[SALE].tags == ("sale", "summer")
    assert found[RUN_1].campaign.name == "Weekly Newsletter"
    assert found[PUSH].children == 0
    assert shop.tags("W") == ["newsletter", "sale", "summer"]


def test_children_follow_the_parent_they_inherit_from(shop: CampaignService) -> None:
    changed = {**NEWSLETTER_DOCUMENT, "basic_details": {"name": "Renamed", "tags": ["other"]}}
    shop.put("W", NEWSLETTER, changed)
    assert set(search(shop, search="renamed")) == {NEWSLETTER, RUN_1, RUN_2}
    assert search(shop, search="weekly") == []
    assert set(search(shop, tags=("other",))) == {NEWSLETTER, RUN_1, RUN_2}
    assert search(shop, tags=("newsletter",)) == []


def test_campaigns_of_events_are_listed_and_move_up(shop: CampaignService, workspace: Workspace) -> None:
    shop.register(workspace, [CampaignHint(campaign_id=NEW, first_at=T0, last_at=T0, channel="SMS", flow_id=FLOW)])
    assert search(shop, sort="active", limit=1) == [NEW]
    assert search(shop, search=NEW) == [NEW]


def test_only_so_many_are_counted(shop: CampaignService, monkeypatch: pytest.MonkeyPatch) -> None:
    known = len(visible(shop))
    assert not shop.page("W", ListQuery()).uncounted
    for module in (listing, service):
        monkeypatch.setattr(module, "COUNTED_CAMPAIGNS", known - 1)
    found = shop.page("W", ListQuery(limit=2))
    assert (found.total, found.uncounted) == (known - 1, True)


def test_workspaces_see_their_own(shop: CampaignService) -> None:
    assert shop.page("X", ListQuery()).total == 0
    assert shop.tags("X") == []


def test_the_migration_makes_the_rows_that_writing_makes(shop: CampaignService, metadata: Metadata) -> None:
    statements = [select(table) for table in (ListedCampaignRow, CampaignTagRow)]
    with metadata.begin() as connection:
        written = [sorted(map(repr, connection.execute(statement))) for statement in statements]
        for table in ("campaign_tags", "listed_campaigns"):
            connection.execute(sql(f"DROP TABLE {table}"))
        with Operations.context(MigrationContext.configure(connection)):
            for name in ("0005_listed_campaigns", "0008_authors_and_flows"):
                import_module(f"campanile.metadata.migrations.versions.{name}").upgrade()
        assert [sorted(map(repr, connection.execute(statement))) for statement in statements] == written
    assert len(written[0]) == len(DOCUMENTS)
