"""Settings from text: every one can be set, and mistakes are named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from campanile.clock import FixedClock
from campanile.errors import InvalidInput, NotFound
from campanile.metadata import Metadata
from campanile.workspaces.schemas import WorkspaceSettings
from campanile.workspaces.service import WorkspaceService
from campanile.workspaces.settings import load_settings, parse_settings
from tests.workspaces.conftest import MASTER

OTHER_VALUES: dict[str, tuple[str, Any]] = {
    "timezone": ("Asia/Kolkata", "Asia/Kolkata"),
    "stats_dialect": ("live", "live"),
    "attribution_model": ("last_interaction", "last_interaction"),
    "attribution_cross_platform": ("any", "any"),
    "attribution_exclude_machine": ("on", True),
    "attribution_view_start": ("email:Delivered, CARDS:click", "CARDS:click EMAIL:delivered"),
    "attribution_session_start": ("OSM:view", "OSM:view"),
    "stats_enabled": ("off", False),
    "rate_limit": ("250", 250),
    "max_campaign_ids": ("50", 50),
    "list_inactive": ("yes", True),
    "goal_key": ("Event", "event"),
    "omit_untracked_revenue": ("1", True),
    "missing_appkey_status": ("401", 401),
    "extended_metrics": ("false", False),
    "show_ios_impressions": ("no", False),
    "bot_mode": ("adjusted_only", "adjusted_only"),
    "unsubscribe_bot": ("ignore", "ignore"),
    "auto_register_campaigns": ("0", False),
    "pii_mode": ("reject", "reject"),
    "reject_placeholder_ids": ("OFF", False),
    "keep_link_query": (" true ", True),
    "intake_rate": ("5000", 5000),
    "intake_burst": ("none", None),
    "report_email_domains": ("Example.org,example.com example.org", "example.com example.org"),
}


def test_every_setting_is_tried_here() -> None:
    assert set(OTHER_VALUES) == set(WorkspaceSettings.__struct_fields__)


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_a_setting_can_be_set_and_reset(name: str) -> None:
    text, value = OTHER_VALUES[name]
    assert parse_settings({name: text}) == {name: value}
    stored = msgspec.json.encode(parse_settings({name: text})).decode()
    decided, settings = load_settings(stored)
    assert decided == {name: value}
    assert getattr(settings, name) == value
    assert parse_settings({name: ""}) == {name: getattr(WorkspaceSettings(), name)}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("timezone", "Mars/Olympus", "IANA"),
        ("timezone", "../../etc/passwd", "IANA"),
        ("stats_dialect", "klingon", "docs, live"),
        ("stats_enabled", "maybe", "true or false"),
        ("missing_appkey_status", "403", "400, 401"),
        ("rate_limit", "0", "from 1 to"),
        ("rate_limit", "-5", "whole number"),
        ("rate_limit", "ten", "whole number"),
        ("rate_limit", "1e3", "whole number"),
        ("rate_limit", "١٠", "whole number"),
        ("rate_limit", "none", "whole number"),
        ("max_campaign_ids", "51", "from 1 to 50"),
        ("intake_rate", "9" * 30, "whole number"),
        ("attribution_view_start", "EMAIL", "pairs such as EMAIL:delivered"),
        ("attribution_view_start", "EMAIL:failed", "starts: sent, delivered"),
        ("attribution_view_start", "EMAIL:sent EMAIL:open", "EMAIL twice"),
        ("attribution_session_start", "FAX:view", "starts: click, view"),
        ("report_email_domains", "@example.com", "domains such as example.com"),
        ("report_email_domains", "localhost", "domains such as example.com"),
        ("report_email_domains", "a.example " * 500, "at most 4000 characters"),
        ("colour", "red", "there are: timezone, stats_dialect"),
    ],
)
def test_a_mistake_names_the_setting_and_the_rule(name: str, text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_settings({name: text})
    assert caught.value.problems[0].attribute == name
    assert caught.value.message.startswith(name)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("domains", "address", "allowed"),
    [
        ("", "a@anywhere.example", True),
        ("example.com example.org", "a@Example.ORG", True),
        ("example.com", "a@mail.example.com", False),
        ("example.com", "a@evil-example.com", False),
        ("example.com", "example.com@evil.example", False),
    ],
)
def test_whom_reports_may_be_mailed_to(domains: str, address: str, allowed: bool) -> None:
    assert WorkspaceSettings(report_email_domains=domains).may_mail(address) == allowed


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_settings({"timezone": "Nowhere", "rate_limit": "200", "colour": "red"})
    assert [problem.attribute for problem in caught.value.problems] == ["timezone", "colour"]


def test_stored_settings_of_another_version_are_ignored() -> None:
    decided, settings = load_settings('{"rate_limit": 7, "setting_of_the_future": 1}')
    assert decided == {"rate_limit": 7}
    assert settings == WorkspaceSettings(rate_limit=7)


def test_changes_add_up_and_mistakes_change_nothing(workspaces: WorkspaceService) -> None:
    workspaces.create("Shop", id="W", timezone="Europe/Berlin")
    changed = workspaces.update_settings("W", {"rate_limit": "5", "stats_dialect": "live"})
    assert changed.settings == WorkspaceSettings(timezone="Europe/Berlin", rate_limit=5, stats_dialect="live")
    with pytest.raises(InvalidInput):
        workspaces.update_settings("W", {"rate_limit": "6", "timezone": "Nowhere"})
    assert workspaces.get("W") == changed
    assert workspaces.update_settings("W", {"rate_limit": ""}).settings.rate_limit == 100
    with pytest.raises(NotFound):
        workspaces.update_settings("X", {"rate_limit": "6"})


def test_other_processes_see_a_change_at_once(metadata: Metadata, clock: FixedClock) -> None:
    one, other = (WorkspaceService(metadata, MASTER, clock) for _ in range(2))
    created = one.create("Shop")
    name = created.workspace.id
    for dialect in ("live", "docs", "live"):
        one.update_settings(name, {"stats_dialect": dialect})
        principal = other.authenticate(name, created.report_key)
        assert principal is not None
        assert principal.workspace.settings.stats_dialect == dialect
