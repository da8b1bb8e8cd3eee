"""Campaigns are remembered only while nobody changes one, and never block whoever must not wait."""

from __future__ import annotations

import pytest

from campanile.campaigns import memory, service
from campanile.campaigns.service import CampaignService
from campanile.metadata import Metadata
from tests.campaigns.samples import NEW, NEWSLETTER, NOBODY, RUN_1, simple


def test_what_was_asked_for_is_at_hand(campaigns: CampaignService, metadata: Metadata) -> None:
    campaigns.put("W", NEW, simple())
    assert campaigns.recall("W", [NEW]) is None
    found = campaigns.get_many("W", [NEW.upper(), NOBODY, "no id"])
    assert found.keys() == {NEW.upper()}
    children = campaigns.children_of("W", [NEW])
    assert children == {}
    if metadata.change_counter() is None:  # PostgreSQL: whether something changed is a question
        assert campaigns.recall("W", [NEW]) is None
        return
    assert campaigns.recall("W", [NEW.upper(), NOBODY, "no id"]) == found
    assert campaigns.recall_children("W", [NEW]) == {}
    assert campaigns.recall("W", [NEW, NEWSLETTER]) is None
    assert campaigns.recall_children("W", [NEWSLETTER]) is None
    assert campaigns.recall("V", [NEW]) is None


def test_a_change_is_seen_at_once(campaigns: CampaignService) -> None:
    campaigns.put("W", NEW, simple())
    assert campaigns.get_many("W", [NEW, NEWSLETTER]).keys() == {NEW}
    assert campaigns.children_of("W", [NEWSLETTER]) == {}
    campaigns.put("W", NEW, simple(status="PAUSED"))
    campaigns.put("W", NEWSLETTER, simple(campaign_delivery_type="PERIODIC"))
    campaigns.put("W", RUN_1, {**simple(campaign_delivery_type="PERIODIC"), "parent_id": NEWSLETTER})
    assert campaigns.recall("W", [NEW]) is None
    found = campaigns.get_many("W", [NEW, NEWSLETTER])
    assert found.keys() == {NEW, NEWSLETTER}
    assert found[NEW].status == "PAUSED"
    assert [child.campaign_id for child in campaigns.children_of("W", [NEWSLETTER])[NEWSLETTER]] == [RUN_1]


def test_memory_is_bounded(campaigns: CampaignService, metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    campaigns.put("W", NEW, simple())
    monkeypatch.setattr(service, "LOOKED_UP_IDS", 2)
    assert campaigns.get_many("W", [NEW, NOBODY, RUN_1]).keys() == {NEW}
    assert campaigns.recall("W", [NEW]) is None  # too many at once
    monkeypatch.setattr(memory, "REMEMBERED_IDS", 1)
    for _ in range(2):
        assert campaigns.get_many("W", [NEW, NOBODY]).keys() == {NEW}
    campaigns.get_many("W", [RUN_1])
    assert campaigns.recall("W", [NEW]) is None
    monkeypatch.setattr(memory, "REMEMBERED_WORKSPACES", 1)
    campaigns.get_many("V", [NEW])
    assert campaigns.recall("W", [RUN_1]) is None
