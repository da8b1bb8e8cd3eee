"""The settings over HTTP: every switch has its place, and only administrators move it."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest

from campanile.dashboard.settings.groups import GROUPS, Group, shown
from campanile.workspaces.schemas import WorkspaceSettings
from tests.conftest import NOW
from tests.dashboard.site import Site

pytestmark = pytest.mark.slow


def test_every_switch_is_on_one_page() -> None:
    names = [switch.name for group in GROUPS for switch in group.switches]
    assert sorted(names) == sorted(WorkspaceSettings.__struct_fields__)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.path)
def test_saving_what_is_shown_changes_nothing(site: Site, group: Group) -> None:
    before = site.services.workspaces.get(site.id)
    assert before is not None
    entries = site.services.audit.page(site.id)
    fields = {
        setting.switch.name: setting.value
        for setting in shown(group, before.settings)
        if setting.kind != "switch" or setting.value == "true"
    }
    page = site.admin.get(f"/w/{site.id}/settings/{group.path}")
    for name in fields:
        assert f'name="{name}"' in page.text
    answer = site.admin.post(f"/w/{site.id}/settings/{group.path}", fields)
    assert answer.headers["location"] == f"/w/{site.id}/settings/{group.path}"
    after = site.services.workspaces.get(site.id)
    assert after is not None
    assert after.settings == before.settings
    assert site.services.audit.page(site.id) == entries


def test_switches_are_saved_together_or_not_at_all(site: Site) -> None:
    path = f"/w/{site.id}/settings/numbers"
    good = {"timezone": "Asia/Tokyo", "bot_mode": "both", "show_ios_impressions": "true"}
    refused = site.admin.post(path, {**good, "attribution_model": "guess"})
    assert refused.status_code == 422
    assert "attribution_model must be one of" in refused.text
    now = site.services.workspaces.get(site.id)
    assert now is not None
    assert (now.settings.timezone, now.settings.bot_mode) == ("UTC", "off")
    assert site.admin.post(path, good).status_code == 303
    assert "Saved." in site.admin.get(path).text
    assert "Saved." not in site.admin.get(path).text
    now = site.services.workspaces.get(site.id)
    assert now is not None
    assert (now.settings.timezone, now.settings.bot_mode, now.settings.show_ios_impressions) == (
        "Asia/Tokyo",
        "both",
        True,
    )
    site.admin.post(path, {"show_ios_impressions": "true"})


def test_values_of_keys_are_shown_once(site: Site) -> None:
    answer = site.admin.post(f"/w/{site.id}/settings/apis/keys", {"kind": "ingest", "name": "sender"})
    found = re.search(r"cmpi_[\w-]{43}", answer.text)
    assert found
    for path in ("apis", "audit"):
        assert found.group() not in site.admin.get(f"/w/{site.id}/settings/{path}").text
    assert site.services.workspaces.authenticate(site.id, found.group()) is not None


def test_keys_of_others_are_out_of_reach(site: Site) -> None:
    theirs = site.services.workspaces.list_keys("WOTHER")[0].id
    before = site.services.workspaces.list_keys("WOTHER")
    for action in ("regenerate", "archive"):
        path = f"/w/{site.id}/settings/apis/keys/{theirs}/{action}"
        assert site.admin.get(path).status_code == 404
        assert site.admin.post(path).status_code == 404
    assert site.services.workspaces.list_keys("WOTHER") == before


def test_wrong_kinds_and_names_of_keys(site: Site) -> None:
    for fields, field in (({"kind": "root", "name": "x"}, "kind"), ({"kind": "report", "name": "x" * 300}, "name")):
        answer = site.admin.post(f"/w/{site.id}/settings/apis/keys", fields)
        assert answer.status_code == 422
        assert f'id="e-{field}"' in answer.text


def test_senders_with_wrong_clocks_are_named(site: Site) -> None:
    event = {
        "type": "sent",
        "campaign_id": "c1" * 12,
        "channel": "EMAIL",
        "time": (NOW + timedelta(hours=1)).isoformat(),
    }
    events = [{**event, "event_id": f"early-{number}", "user_id": "u-1"} for number in range(3)]
    key = site.services.workspaces.create_key(site.id, kind="ingest", name="Till <b>7</b>")
    site.server.send_events(msgspec.structs.replace(site.owner, ingest_key=key.value), events)
    assert "Till &lt;b&gt;7" in site.admin.get(f"/w/{site.id}/settings/health").text


def test_members(site: Site) -> None:
    users = site.services.users
    users.create("temp@example.com", password="correct horse battery", role="viewer", workspace_id=site.id)
    temp, admin = users.get("temp@example.com"), users.get("admin@example.com")
    base = f"/w/{site.id}/settings/users"
    assert site.admin.post(f"{base}/{temp.id}/role", {"role": "analyst"}).status_code == 303
    assert users.get("temp@example.com").role_in(site.id) == "analyst"
    assert site.admin.post(f"{base}/{temp.id}/role", {"role": "boss"}).status_code == 422
    assert site.admin.post(f"{base}/{temp.id}/remove").status_code == 303
    assert users.get("temp@example.com").role_in(site.id) is None
    assert site.admin.post(f"{base}/{temp.id}/role", {"role": "viewer"}).status_code == 404
    last = site.admin.post(f"{base}/{admin.id}/remove")
    assert last.status_code == 422
    assert "needs an administrator" in last.text


def test_invitations(site: Site) -> None:
    base = f"/w/{site.id}/settings/users"
    made = site.admin.post(f"{base}/invitations", {"email": "Guest@Example.com", "role": "viewer"})
    assert re.search(r"/join\?token=[\w-]{43}", made.text)
    for fields, field in (
        ({"email": "guest", "role": "viewer"}, "email"),
        ({"email": "viewer@example.com", "role": "viewer"}, "email"),
        ({"email": "other@example.com", "role": "boss"}, "role"),
    ):
        refused = site.admin.post(f"{base}/invitations", fields)
        assert refused.status_code == 422
        assert f'id="e-{field}"' in refused.text
    (invitation,) = site.services.users.members.invitations(site.id)
    assert site.admin.post(f"{base}/invitations/{invitation.id}/withdraw").status_code == 303
    assert site.services.users.members.invitations(site.id) == []


def test_the_audit_log_has_pages(site: Site) -> None:
    for limit in range(1, 61):
        site.services.workspaces.update_settings(site.id, {"rate_limit": str(limit)}, by="admin@example.com")
    site.services.workspaces.update_settings(site.id, {"rate_limit": ""})
    first = site.admin.get(f"/w/{site.id}/settings/audit").text
    assert first.count("settings.changed") == 50
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = site.admin.get(older.group(1)).text
    assert "workspace.created" in second
    assert 'rel="prev"' in second
    assert site.admin.get(f"/w/{site.id}/settings/audit?before=x").status_code == 400
