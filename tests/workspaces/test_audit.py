"""What the audit log keeps of changes to a workspace: everything but secrets, in the same transaction."""

from __future__ import annotations

import pytest

from campanile.audit.service import AuditService
from campanile.clock import FixedClock
from campanile.errors import Conflict
from campanile.metadata import Metadata
from campanile.workspaces.service import WorkspaceService


@pytest.fixture
def audit(metadata: Metadata, clock: FixedClock) -> AuditService:
    return AuditService(metadata, clock)


def test_settings(workspaces: WorkspaceService, audit: AuditService) -> None:
    workspaces.create("Shop", id="W")
    workspaces.update_settings("W", {"timezone": "Europe/Berlin", "rate_limit": "100"}, by="anna@example.com")
    workspaces.update_settings("W", {"timezone": "Europe/Berlin"})
    changed, created = audit.page("W")
    assert (created.actor, created.action) == ("command line", "workspace.created")
    assert (changed.actor, changed.action, changed.subject) == ("anna@example.com", "settings.changed", "W")
    assert (changed.before, changed.after) == ({"timezone": "UTC"}, {"timezone": "Europe/Berlin"})


def test_keys(workspaces: WorkspaceService, audit: AuditService) -> None:
    made = workspaces.create("Shop", id="W")
    key = workspaces.create_key("W", "ingest", name="sender", by="anna@example.com")
    regenerated = workspaces.regenerate_key("W", key.key.id, by="anna@example.com")
    workspaces.archive_key("W", key.key.id)
    entries = audit.page("W")
    assert [(entry.actor, entry.action) for entry in entries[:3]] == [
        ("command line", "key.archived"),
        ("anna@example.com", "key.regenerated"),
        ("anna@example.com", "key.created"),
    ]
    assert {entry.subject for entry in entries[:3]} == {key.key.id}
    for secret in (made.report_key, key.value, regenerated.value):
        assert secret not in repr(entries)


def test_what_fails_leaves_no_entry(workspaces: WorkspaceService, audit: AuditService) -> None:
    workspaces.create("Shop", id="W")
    key = workspaces.create_key("W", "ingest")
    workspaces.archive_key("W", key.key.id)
    before = audit.page("W")
    with pytest.raises(Conflict):
        workspaces.regenerate_key("W", key.key.id)
    assert audit.page("W") == before


def test_pages(workspaces: WorkspaceService, audit: AuditService) -> None:
    workspaces.create("Shop", id="W")
    workspaces.create("Other", id="V")
    for limit in range(1, 8):
        workspaces.update_settings("W", {"rate_limit": str(limit)})
    newest = audit.page("W", limit=5)
    older = audit.page("W", before=newest[-1].id, limit=5)
    assert [entry.after.get("rate_limit") for entry in newest + older] == [7, 6, 5, 4, 3, 2, 1, None]
    assert len(audit.page("V")) == 1
