"""People, as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec

from campanile.errors import RateLimited

Role = Literal["admin", "analyst", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the one who may do most."""
SESSION_MOST = timedelta(days=30)
"""A session ends after this, used or not."""


def at_least(role: Role | None, needed: Role) -> bool:
    """Whether `role` may do what `needed` may."""
    return role is not None and ROLES.index(role) <= ROLES.index(needed)


class User(msgspec.Struct, frozen=True):
    """Somebody with an account."""

    id: str
    email: str
    name: str
    role: Role | None
    """Role in every workspace."""
    memberships: Mapping[str, Role]
    """Workspace id → role there."""
    created_at: datetime

    def role_in(self, workspace_id: str) -> Role | None:
        """The greater of both roles; None where the user does not belong."""
        held = [role for role in (self.role, self.memberships.get(workspace_id)) if role is not None]
        return min(held, key=ROLES.index, default=None)


class Session(msgspec.Struct, frozen=True):
    """A signed-in browser."""

    id: str
    """Names the session without opening it."""
    user: User
    csrf: str
    """What forms of this session carry."""
    flash: str | None
    """A sentence to show once."""
    created_at: datetime
    seen_at: datetime
    browser: str


class SignedIn(msgspec.Struct, frozen=True):
    """A new session with the value of its cookie."""

    token: str
    user: User
    expires_at: datetime


class Member(msgspec.Struct, frozen=True):
    """Somebody who belongs to a workspace."""

    user_id: str
    email: str
    name: str
    role: Role
    everywhere: bool
    """Belongs to every workspace; changed on the command line only."""


class Invitation(msgspec.Struct, frozen=True):
    """An open invitation to a workspace."""

    id: str
    workspace_id: str
    email: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime


class LockedOut(RateLimited):
    """Too many failed attempts to sign in; carries `retry_after` seconds."""

    type = "locked_out"
