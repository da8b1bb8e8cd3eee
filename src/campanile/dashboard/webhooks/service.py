"""What the pages of the receiving hooks show, and what their forms say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from campanile.hooks.schemas import (
    ROTATION,
    DeadLetter,
    DeliveryNote,
    Hook,
    HookOptions,
    LastDelivery,
    ProviderCard,
)
from campanile.hooks.service import Trial

TONES = {"ok": "good", "spooled": "warn", "failed": "bad", "refused": "bad"}
"""Colour of an outcome."""
OUTCOMES = {
    "ok": "taken",
    "spooled": "waits on disk for the store",
    "failed": "failed",
    "refused": "refused: not from the provider",
}
LISTS = ("topics", "phone_number_ids")
"""Options that hold several values, separated by white space in a form."""
SWITCHES = ("allow_sha1",)
"""Options that are on or off."""
LABELS = {
    "types": "Events",
    "campaign_id": "Campaign",
    "channel": "Channel",
    "topics": "Topics",
    "allow_sha1": "Signatures of version 1",
    "phone_number_ids": "Phone number ids",
    "dropped_unsubscribed": "Dropped, was unsubscribed",
}
CAUSES = {
    "bad_signature": "The secret here is not the one at the provider; for Twilio, the server may be reached at another "
    "address than its base_url.",
    "missing_signature": "The delivery was not signed. Switch signing on at the provider.",
    "signature_version": "The topic signs with version 1. Set its SignatureVersion to 2, or allow version 1.",
    "timestamp_out_of_window": "The delivery is older than the provider ever retries, or one of the clocks is wrong.",
    "token_reused": "Somebody sent another body under a token that was used already.",
    "topic_not_allowed": "The hook does not list this topic.",
    "confirmation_refused": "The address that would confirm the subscription is not Amazon's.",
    "confirmation_failed": "Amazon could not be asked to confirm the subscription. It will ask again.",
    "unreadable": "The body was not what this provider sends.",
    "overloaded": "The server had too much to do. The provider tries again.",
}
"""What an error of a delivery means for the one who can mend it."""


class Listed(msgspec.Struct, frozen=True):
    """A hook in the list."""

    hook: Hook
    label: str
    """Of its provider."""
    url: str
    last: LastDelivery | None


class Failure(msgspec.Struct, frozen=True):
    """Why deliveries failed, of those that are remembered."""

    code: str
    count: int
    cause: str
    """In words; may be empty."""
    last: datetime


class Fact(msgspec.Struct, frozen=True):
    """An option that was decided, as the page of the hook shows it."""

    label: str
    text: str


def card(cards: Iterable[ProviderCard], name: str) -> ProviderCard | None:
    """The provider of this name."""
    return next((found for found in cards if found.name == name), None)


def facts(options: HookOptions) -> list[Fact]:
    """What differs from the usual."""
    decided: Mapping[str, Any] = msgspec.to_builtins(options)
    return [
        Fact(LABELS[name], ", ".join(value) if isinstance(value, list) else "allowed" if value is True else str(value))
        for name, value in decided.items()
    ]


def failures(notes: Sequence[DeliveryNote]) -> list[Failure]:
    """The reasons among deliveries, newest first, the most recent reason first."""
    found: dict[str, list[DeliveryNote]] = {}
    for note in notes:
        if note.error:
            found.setdefault(note.error, []).append(note)
    return [Failure(code, len(those), CAUSES.get(code, ""), those[0].at) for code, those in found.items()]


def overlapping(hook: Hook, now: datetime) -> datetime | None:
    """Until when the previous secret and address work, if they do."""
    if hook.rotated_at is None or now >= hook.rotated_at + ROTATION:
        return None
    return hook.rotated_at + ROTATION


def letters_of(letters: Iterable[DeadLetter], hook_id: str) -> list[DeadLetter]:
    """Those that came through one hook."""
    return [letter for letter in letters if letter.hook_id == hook_id]


def campaign_of(letter: DeadLetter) -> str:
    """The campaign that a dead letter names, by id or by key."""
    event = letter.content.get("event")
    named = event.get("campaign_id") or event.get("campaign_key") if isinstance(event, dict) else ""
    return str(named or "")


def ordered(provider: ProviderCard, fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The options that the fields of a form decide; what was left alone is not in it."""
    sent: dict[str, list[str]] = {}
    for name, text in fields:
        sent.setdefault(name, []).append(text.strip())
    given: dict[str, Any] = {"types": sent.get("types")}
    for name in {"campaign_id", *provider.options}:
        text = sent.get(name, [""])[0]
        given[name] = text.split() if name in LISTS else text == "true" if name in SWITCHES else text
    return {name: value for name, value in given.items() if value}


def sample_rows(trial: Trial) -> list[list[str]]:
    """The events of a trial as rows of a table: type, channel, campaign, user."""
    names = ("type", "channel", "campaign_id", "user_id")
    return [[str(event.get(name) or "") for name in names] for event in trial.events]
