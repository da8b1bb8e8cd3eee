"""What the workspace and the credential of a request say about its events."""

from __future__ import annotations

from typing import Literal

import msgspec

from campanile.intake.limits import Limits

DENIED_ATTRIBUTES = frozenset(
    {
        "email", "e_mail", "phone", "mobile", "msisdn", "name", "first_name", "last_name", "address", "ip", "push_id",
        "token",
    }
)  # fmt: skip
"""Keys that are dropped from `attributes`, in any case: they name personal data."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one request beyond those that hold for everyone."""

    workspace_id: str
    pseudonym_key: bytes
    """Key of the workspace's pseudonyms; never leaves the server."""
    pii_mode: Literal["hash", "reject", "allow"] = "hash"
    """What happens to a user id that is an address: its pseudonym is stored, the event is refused, or nothing."""
    reject_placeholder_ids: bool = True
    keep_link_query: bool = False
    denied_attributes: frozenset[str] = DENIED_ATTRIBUTES
    """Lower-case names."""
    channels: frozenset[str] | None = None
    """Channels the credential may write; None = all."""
    reserved_names: bool = False
    """Whether custom events may carry names of the reserved prefix `moe_`: only receivers may, native calls not."""
    implied_attempts: bool = False
    """Whether campaigns that the request registers get attempted = sent + failed: receivers hear of no attempts."""
    machine_rules: str = ""
    """File with the rules by which opens and clicks of machines are told; empty: those of the package."""
    strict: bool = False
    """Whether unknown fields refuse an event instead of being ignored."""
    limits: Limits = Limits()
