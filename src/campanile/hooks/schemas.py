"""What a hook is, and what passes through it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from campanile.workspaces.schemas import Workspace

ROTATION = timedelta(hours=24)
"""How long the previous secret and the previous address of a hook keep working."""
PENDING_DAYS = timedelta(days=7)
"""How long an event waits for the message it belongs to."""
DEAD_LETTER_DAYS = timedelta(days=30)
"""How long events that could not be stored are kept."""
REGISTRY_DAYS = timedelta(days=35)
"""How far back a message is looked for; every provider retries for less."""
LAST_SEND_DAYS = timedelta(days=7)
"""How old the message may be that an opt-out without a message id is blamed on."""
MAX_PAYLOAD_BYTES = 5 * 1024 * 1024
"""Bytes of one delivery; the largest documented ones have 3 MB."""
MAX_PAYLOAD_DEPTH = 64
"""Levels of objects and arrays in one payload."""
MAX_NAME_CHARACTERS = 256
"""Longest name of a hook."""
MAX_HOOKS = 100
"""Hooks of one workspace."""
MAX_SECRET_CHARACTERS = 4096
"""Longest secret or public key."""
MAX_LIST_ITEMS = 100
"""Types, topics or senders that one hook may list."""

Outcome = Literal["ok", "spooled", "refused", "failed"]


class Vault(Protocol):
    """Keeps secrets and what waits on disk unreadable for others; the master key of the server."""

    def seal(self, secret: bytes, purpose: str) -> bytes: ...

    def open(self, sealed: bytes, purpose: str) -> bytes: ...


class HookOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an operator decides about a hook."""

    types: tuple[str, ...] = ()
    """Event types that are taken; empty: all."""
    campaign_id: str = ""
    """Campaign of events that name none, for hooks that serve a single one."""
    channel: Literal["", "SMS", "MMS"] = ""
    """Twilio: what messages without a prefix are; default SMS."""
    topics: tuple[str, ...] = ()
    """Amazon SES: topics that may post here. Anyone can let a topic of their own send validly signed messages."""
    allow_sha1: bool = False
    """Amazon SES: whether signatures of version 1 are accepted."""
    phone_number_ids: tuple[str, ...] = ()
    """WhatsApp: own numbers whose events are taken; empty: all."""
    dropped_unsubscribed: Literal["failed", "both"] = "failed"
    """SendGrid: whether a message dropped because of the unsubscribe list is an unsubscription as well."""


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """An address to which a provider posts, with everything needed to trust what arrives there."""

    id: str
    workspace_id: str
    provider: str
    name: str
    address: str
    """Last part of the URL: 128 random bits."""
    secrets: tuple[str, ...]
    """Current one first; the previous one for a day after a rotation."""
    verify_token: str
    """WhatsApp: what Meta proves the subscription with."""
    options: HookOptions
    created_at: datetime
    rotated_at: datetime | None


class MadeHook(msgspec.Struct, frozen=True):
    """A hook together with secrets that were made for it, which are shown this once."""

    hook: Hook
    secret: str
    """Empty where the provider made it."""
    verify_token: str


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery as it arrived."""

    body: bytes
    headers: dict[str, str]
    """Names in lower case."""
    path: str
    query: str
    """As sent, without the question mark."""
    received_at: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event of ours in the making: no address, no number, no user agent is in it."""

    event: dict[str, Any]
    """The event as a sender would have posted it, perhaps without campaign and user."""
    recipient: str = ""
    """Pseudonym of who got the message; the user if nothing better is known."""
    last_send: str = ""
    """Name of the custom event that this is unless the user was sent something on the same channel lately."""

    @property
    def message(self) -> tuple[str, str]:
        """Provider and message id; the id may be empty."""
        return self.event.get("provider", ""), self.event.get("message_id", "")

    @property
    def has_campaign(self) -> bool:
        return bool(self.event.get("campaign_id") or self.event.get("campaign_key"))


class Undraftable(msgspec.Struct, frozen=True):
    """A part of a payload that no event can be made of."""

    code: str
    message: str
    content: dict[str, Any] = {}
    """What may be kept of it."""


class Reading(msgspec.Struct, kw_only=True):
    """What a payload says; filled while it is read."""

    drafts: list[Draft] = []
    undraftable: list[Undraftable] = []
    ignored: int = 0
    """Parts that are known and of no interest."""
    confirm: str = ""
    """Address to be asked once, to confirm a subscription."""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """Drafts on their way to the log, with what belongs to them."""

    workspace: Workspace
    source: str
    """Provider, for the metrics."""
    hook_id: str
    """Empty for receivers that are no hooks."""
    request_id: str
    received_at: datetime
    drafts: list[Draft]
    undraftable: list[Undraftable] = []


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a parcel."""

    accepted: int = 0
    duplicates: int = 0
    waiting: int = 0
    """Events whose message is not known yet."""
    dead: int = 0
    """Events that went to the dead letters."""
    spooled: bool = False
    """Whether all of them wait on disk for the store."""


class DeliveryNote(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery, as its hook remembers it."""

    hook_id: str
    workspace_id: str
    at: datetime
    outcome: Outcome
    bytes: int
    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    waiting: int = 0
    dead: int = 0
    error: str = ""
    """Code of what was wrong."""


class LastDelivery(msgspec.Struct, frozen=True):
    """The newest delivery to a hook."""

    at: datetime
    outcome: str


class ProviderCard(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has to know about a provider to connect it."""

    name: str
    label: str
    origin: Literal["given", "made", "none"]
    """Whether the provider makes the secret, or we do."""
    key_help: str
    """Where the secret comes from, or where it goes."""
    place: str
    """Where the URL goes at the provider."""
    options: frozenset[str]
    """Members of `HookOptions` that mean something here."""
    types: tuple[str, ...]
    """Event types that can arise, in alphabetical order."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event that could not be stored, without personal data."""

    id: str
    workspace_id: str
    source: str
    hook_id: str
    at: datetime
    """When it arrived."""
    code: str
    field: str
    message: str
    content: dict[str, Any]
    """The draft, or what is left of the payload."""
    retriable: bool
    """Whether it can be tried again as it is."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits for its message."""

    id: str
    workspace_id: str
    source: str
    hook_id: str
    draft: Draft
    received_at: datetime


class KnownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the log knows of a message."""

    campaign_id: str
    channel: str
    platform: str
    locale: str
    variation: str
    instance_id: str
    flow_id: str
    user_id: str
    device_id: str
    campaign_key: str = ""
    """Instead of the id, where another part of the same delivery names the campaign by its key."""
