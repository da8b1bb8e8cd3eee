"""Values of API keys and ids: made at random, or checked when given."""

from __future__ import annotations

import re
import secrets
import string

from campanile.errors import InvalidInput
from campanile.workspaces.schemas import KeyKind

PREFIXES: dict[KeyKind, str] = {"report": "cmpr_", "ingest": "cmpi_", "manage": "cmpm_"}
"""Prefixes of generated keys; scanners for leaked secrets find them by these."""
KEY_CHARACTERS = range(8, 257)
"""Lengths of a key value that somebody chooses."""
ACTIVE_KEYS = 10
"""Active keys of one kind a workspace may have: enough to rotate without downtime."""
_VALUE = re.compile(r"[!-~]+")
_WORKSPACE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORKSPACE_ALPHABET = string.ascii_uppercase + string.digits


def new_value(kind: KeyKind) -> str:
    """A key with 256 random bits."""
    return PREFIXES[kind] + secrets.token_urlsafe(32)


def check_value(value: str, attribute: str) -> str:
    """A value somebody chose.

    Raises:
        InvalidInput: not 8 to 256 visible ASCII characters.
    """
    if len(value) not in KEY_CHARACTERS or _VALUE.fullmatch(value) is None:
        raise InvalidInput(f"{attribute} must have 8 to 256 visible ASCII characters", attribute=attribute)
    return value


def new_key_id() -> str:
    return f"key_{secrets.token_hex(8)}"


def new_workspace_id() -> str:
    """24 upper-case letters and digits."""
    return "".join(secrets.choice(_WORKSPACE_ALPHABET) for _ in range(24))


def check_workspace_id(text: str) -> str:
    """An id somebody chose.

    Raises:
        InvalidInput: not 1 to 64 letters, digits, `_` or `-`.
    """
    if _WORKSPACE_ID.fullmatch(text) is None:
        raise InvalidInput("id must have 1 to 64 letters, digits, _ or -", attribute="id")
    return text
