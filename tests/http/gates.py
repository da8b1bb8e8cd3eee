"""Services as far as authentication needs them, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from campanile.clock import FixedClock
from campanile.http.rate_limit import Limiter
from campanile.settings import Settings
from campanile.workspaces.schemas import SCOPES, Dialect, KeyKind, Principal, Workspace, WorkspaceSettings

NOW = datetime(2025, 1, 5, 12, 0, tzinfo=UTC)


def workspace(id: str = "WS1", **settings: Any) -> Workspace:
    return Workspace(id, id.title(), WorkspaceSettings(**settings), NOW, b"k" * 32)


def principal(
    owner: Workspace | None = None, kind: KeyKind = "report", stats_dialect: Dialect | None = None
) -> Principal:
    return Principal(owner or workspace(), f"key-{kind}", kind, SCOPES[kind], stats_dialect)


class FakeWorkspaces:
    """Knows keys by (workspace id, secret) and counts how often it was asked."""

    def __init__(self, *known: tuple[str, Principal]) -> None:
        self.known = {(owner.workspace.id, secret): owner for secret, owner in known}
        self.asked = 0

    def recall(self, workspace_id: str | None, secret: str) -> None:
        """Remembers nobody."""

    def authenticate(self, workspace_id: str, secret: str) -> Principal | None:
        self.asked += 1
        return self.known.get((workspace_id, secret))

    def authenticate_bearer(self, secret: str) -> Principal | None:
        self.asked += 1
        return next((owner for (_, known), owner in self.known.items() if known == secret), None)


class FakeGate:
    """Stands in for the services."""

    def __init__(self, *known: tuple[str, Principal], failed_logins_per_minute: int = 60) -> None:
        self.workspaces: Any = FakeWorkspaces(*known)
        self.clock = FixedClock(NOW)
        self.limiter = Limiter(self.clock)
        self.settings = Settings(failed_logins_per_minute=failed_logins_per_minute)
