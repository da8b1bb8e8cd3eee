"""Hooks, deliveries and dead letters as the API shows them, and requests about them."""

from __future__ import annotations

from typing import Any

import msgspec

from campanile.hooks.providers import PROVIDERS
from campanile.hooks.schemas import ROTATION, DeadLetter, DeliveryNote, Hook


class HookOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/hooks`."""

    provider: str
    name: str = ""
    secret: str | None = None
    options: dict[str, Any] = {}


class HookChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /v1/hooks/{hook_id}/rotate`."""

    secret: str | None = None
    address: bool = False


def described(hook: Hook, url: str) -> dict[str, Any]:
    """A hook without its secrets."""
    provider = PROVIDERS[hook.provider]
    return {
        "hook_id": hook.id,
        "provider": hook.provider,
        "name": hook.name,
        "url": url,
        "secret_is": provider.key_help,
        "options": msgspec.to_builtins(hook.options),
        "created_at": hook.created_at,
        "rotated_at": hook.rotated_at,
        "previous_valid_until": None if hook.rotated_at is None else hook.rotated_at + ROTATION,
    }


def note_document(note: DeliveryNote) -> dict[str, Any]:
    """One delivery."""
    return {
        "at": note.at,
        "outcome": note.outcome,
        "bytes": note.bytes,
        "accepted": note.accepted,
        "duplicates": note.duplicates,
        "ignored": note.ignored,
        "waiting": note.waiting,
        "dead_lettered": note.dead,
        "error": note.error,
    }


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter."""
    return {
        "id": letter.id,
        "at": letter.at,
        "source": letter.source,
        "hook_id": letter.hook_id,
        "code": letter.code,
        "field": letter.field,
        "message": letter.message,
        "retriable": letter.retriable,
        "content": letter.content,
    }
