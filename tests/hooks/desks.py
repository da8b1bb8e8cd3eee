"""Reading payloads without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from campanile.hooks.drafts import Desk
from campanile.hooks.providers import PROVIDERS
from campanile.hooks.schemas import Hook, HookOptions, Incoming, Reading
from campanile.hooks.table import standard_table
from campanile.intake.machines import machine_rules
from campanile.workspaces.schemas import Workspace, WorkspaceSettings

RECEIVED = datetime.fromtimestamp(1760000500, UTC)
WORKSPACE = Workspace("w", "w", WorkspaceSettings(), RECEIVED, b"pseudonym-key-for-tests")
FORM = "application/x-www-form-urlencoded"


def hook(provider: str, *secrets: str, **options: Any) -> Hook:
    return Hook(
        id="hk_7", workspace_id="w", provider=provider, name="", address="hk_7", secrets=secrets, verify_token="",
        options=HookOptions(**options), created_at=RECEIVED, rotated_at=None,
    )  # fmt: skip


def incoming(body: bytes, *, query: str = "", path: str = "", at: datetime = RECEIVED, **headers: str) -> Incoming:
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Incoming(body=body, headers=names, path=path, query=query, received_at=at)


def desk(provider: str, *, hooked: bool = True, **options: Any) -> Desk:
    own = hook(provider, **options) if hooked else None
    return Desk(WORKSPACE, own, provider, standard_table(), RECEIVED, machine_rules().machine)


def read(provider: str, body: bytes, *, query: str = "", **options: Any) -> Reading:
    form = {"content_type": FORM} if provider == "twilio" else {}
    return PROVIDERS[provider].read(desk(provider, **options), incoming(body, query=query, **form))


def events(reading: Reading) -> list[dict[str, Any]]:
    """The events with their users, as they go to the intake."""
    return [{"user_id": draft.recipient, **draft.event} for draft in reading.drafts]
