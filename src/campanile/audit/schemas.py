"""An entry of the audit log, as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

OPERATOR = "command line"
"""Actor of changes made by `campanile …` on the machine itself."""

SIGN_IN = "sign-in"
"""Actor of locks after failed attempts: nobody knows who it was."""

Accounts: TypeAlias = Literal["none", "members", "all"]
"""Whose accounts are meant besides a workspace: nobody's, its members', everybody's."""

Value: TypeAlias = str | int | float | bool | None
Values: TypeAlias = Mapping[str, Value]
"""What something was or became: never secrets, never their digests."""


class Entry(msgspec.Struct, frozen=True):
    """One change."""

    id: int
    workspace_id: str | None
    at: datetime
    actor: str
    """E-mail address of a user, or `OPERATOR`."""
    action: str
    """Noun and verb, such as `settings.changed`."""
    subject: str
    """What was changed: an id, an address."""
    before: dict[str, Value]
    after: dict[str, Value]
