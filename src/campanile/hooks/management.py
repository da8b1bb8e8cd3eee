"""Hooks as their operators see them: made, listed, rotated, deleted (ingest specification 3.1)."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from campanile.audit.schemas import OPERATOR, Values
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, NotFound
from campanile.hooks.providers import PROVIDERS
from campanile.hooks.providers.protocol import Provider
from campanile.hooks.repository import HookRepository, Note
from campanile.hooks.schemas import (
    MAX_HOOKS,
    MAX_LIST_ITEMS,
    MAX_NAME_CHARACTERS,
    MAX_SECRET_CHARACTERS,
    ROTATION,
    DeliveryNote,
    Hook,
    HookOptions,
    LastDelivery,
    MadeHook,
    Vault,
)
from campanile.metadata import AnyRow, Connection
from campanile.metrics.rows import EVENT_TYPES

SECRET_BYTES = 24
"""Random bytes of a secret that is made here."""
ADDRESS_BYTES = 16
"""Random bytes of an address: it cannot be guessed, and is no secret all the same."""

_HOOK_ID = re.compile(r"hk_[0-9a-f]{20}")
_ADDRESS = re.compile(r"[a-z2-7]{26}")
_TOPIC = re.compile(r"arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}")
_COMMON = frozenset({"types", "campaign_id"})


class _Sealed(msgspec.Struct, frozen=True):
    """What is encrypted of a hook."""

    secrets: tuple[str, ...] = ()
    verify_token: str = ""


class Hooks:
    """The hooks of all workspaces; every change is in the audit log, where `by` says whose it was. Blocks."""

    def __init__(self, repository: HookRepository, vault: Vault, clock: Clock, audit: AuditService) -> None:
        self._repository = repository
        self._vault = vault
        self._clock = clock
        self._audit = audit

    def create(
        self,
        workspace_id: str,
        provider: str,
        *,
        name: str = "",
        secret: str | None = None,
        options: Mapping[str, Any] | None = None,
        by: str = OPERATOR,
    ) -> MadeHook:
        """A new hook. Secrets that are made here are in the answer, and nowhere else afterwards.

        Raises:
            InvalidInput: provider, name, secret or an option does not fit. Conflict: `too_many_hooks`.
        """
        maker = provider_of(provider)
        decided = checked_options(maker, options or {})
        if maker.name == "ses" and not decided.topics:
            raise InvalidInput("Amazon SES needs topics: the topics that may post here.", attribute="topics")
        value = _secret(maker, secret)
        token = secrets.token_urlsafe(SECRET_BYTES) if maker.name == "whatsapp" else ""
        hook_id = f"hk_{secrets.token_hex(10)}"
        checked = _checked_name(name) or maker.label
        row = {
            "id": hook_id,
            "workspace_id": workspace_id,
            "provider": maker.name,
            "name": checked,
            "address": _address(),
            "previous_address": None,
            "options": msgspec.json.encode(decided).decode(),
            "sealed": self._seal(hook_id, _Sealed((value,) if value else (), token)),
            "created_at": self._clock.now(),
            "rotated_at": None,
        }
        after = {"provider": maker.name, "name": checked, **_plain(decided)}
        if not self._repository.add_hook(row, MAX_HOOKS, self._note(workspace_id, "hook.created", hook_id, after, by)):
            raise Conflict(f"A workspace may have {MAX_HOOKS} hooks; delete one first.", type="too_many_hooks")
        made = maker.origin == "made" and secret is None
        return MadeHook(self.get(workspace_id, hook_id), value if made else "", token)

    def list(self, workspace_id: str) -> list[Hook]:
        """All hooks of a workspace, oldest first."""
        return [self._hook(row) for row in self._repository.hooks(workspace_id)]

    def get(self, workspace_id: str, hook_id: str) -> Hook:
        """
        Raises:
            NotFound: no such hook in this workspace.
        """
        row = self._repository.hook(workspace_id, hook_id) if _HOOK_ID.fullmatch(hook_id) else None
        if row is None:
            raise _unknown()
        return self._hook(row)

    def at(self, provider: str, address: str) -> Hook | None:
        """The hook that a provider posts to, if there is one."""
        if provider not in PROVIDERS or not _ADDRESS.fullmatch(address):
            return None
        row = self._repository.hook_at(provider, address)
        if row is None or (row.address != address and not self._overlapping(row)):
            return None
        return self._hook(row)

    def rotate(
        self,
        workspace_id: str,
        hook_id: str,
        *,
        secret: str | None = None,
        address: bool = False,
        by: str = OPERATOR,
    ) -> MadeHook:
        """Give a hook a new secret, and a new address if wanted; the previous ones work for another day.

        Raises:
            NotFound: no such hook. InvalidInput: the secret does not fit, or the provider has none.
        """
        hook = self.get(workspace_id, hook_id)
        maker = provider_of(hook.provider)
        if maker.origin == "none" and not address:
            raise InvalidInput(f"{maker.label} has no secret here; the address can be changed.", attribute="address")
        values: dict[str, Any] = {"rotated_at": self._clock.now()}
        made = ""
        if secret is not None or maker.origin == "made":
            value = _secret(maker, secret)
            made = value if secret is None else ""
            sealed = _Sealed((value, *hook.secrets[:1]), hook.verify_token)
            values["sealed"] = self._seal(hook_id, sealed)
        elif not address:
            raise InvalidInput(f"The secret is made by {maker.label}: give its new value.", attribute="secret")
        else:
            values["sealed"] = self._seal(hook_id, _Sealed(hook.secrets[:1], hook.verify_token))
        values |= {"address": _address(), "previous_address": hook.address} if address else {"previous_address": None}
        turned = {"name": hook.name, "secret": "new" if made or secret is not None else "as before"}
        after = turned | {"address": "new" if address else "as before"}
        self._repository.change_hook(
            workspace_id, hook_id, values, self._note(workspace_id, "hook.rotated", hook_id, after, by)
        )
        return MadeHook(self.get(workspace_id, hook_id), made, "")

    def delete(self, workspace_id: str, hook_id: str, *, by: str = OPERATOR) -> None:
        """Delete a hook; whatever is posted to it from now on is refused. What it brought stays.

        Raises:
            NotFound: no such hook.
        """
        hook = self.get(workspace_id, hook_id)
        after = {"provider": hook.provider, "name": hook.name}
        note = self._note(workspace_id, "hook.deleted", hook_id, after, by)
        if not self._repository.delete_hook(workspace_id, hook_id, note):
            raise _unknown()

    def deliveries(self, workspace_id: str, hook_id: str, most: int) -> Sequence[DeliveryNote]:
        """The last deliveries, newest first.

        Raises:
            NotFound: no such hook.
        """
        self.get(workspace_id, hook_id)
        return self._repository.deliveries(workspace_id, hook_id, most)

    def last_deliveries(self, workspace_id: str) -> dict[str, LastDelivery]:
        """Hook id → the newest delivery to it; hooks nobody posted to are missing."""
        found = self._repository.last_deliveries(workspace_id)
        return {hook_id: LastDelivery(at, outcome) for hook_id, (at, outcome) in found.items()}

    def _note(self, workspace_id: str, action: str, hook_id: str, about: Values, by: str) -> Note:
        """Tells of a change; what is `about` a hook that is deleted was so before."""
        before, after = (about, {}) if action == "hook.deleted" else ({}, about)

        def note(connection: Connection) -> None:
            self._audit.note(
                connection,
                workspace_id=workspace_id,
                actor=by,
                action=action,
                subject=hook_id,
                before=before,
                after=after,
            )

        return note

    def _overlapping(self, row: AnyRow) -> bool:
        """Whether the previous secret and address still work."""
        return row.rotated_at is not None and self._clock.now() < row.rotated_at + ROTATION

    def _hook(self, row: AnyRow) -> Hook:
        sealed = msgspec.json.decode(self._vault.open(row.sealed, f"hook:{row.id}"), type=_Sealed)
        values = sealed.secrets if self._overlapping(row) else sealed.secrets[:1]
        return Hook(
            id=row.id,
            workspace_id=row.workspace_id,
            provider=row.provider,
            name=row.name,
            address=row.address,
            secrets=values,
            verify_token=sealed.verify_token,
            options=msgspec.json.decode(row.options, type=HookOptions),
            created_at=row.created_at,
            rotated_at=row.rotated_at,
        )

    def _seal(self, hook_id: str, sealed: _Sealed) -> bytes:
        return self._vault.seal(msgspec.json.encode(sealed), f"hook:{hook_id}")


def provider_of(name: str) -> Provider:
    """
    Raises:
        InvalidInput: there is no such provider.
    """
    if name not in PROVIDERS:
        raise InvalidInput(f"provider must be one of: {', '.join(PROVIDERS)}.", attribute="provider")
    return PROVIDERS[name]


def checked_options(provider: Provider, given: Mapping[str, Any]) -> HookOptions:
    """
    Raises:
        InvalidInput: an option that does not exist, means nothing to the provider, or has a value that does not fit.
    """
    allowed = _COMMON | provider.options
    for name in given:
        if name not in allowed:
            words = ", ".join(sorted(allowed))
            raise InvalidInput(f"The options of {provider.label} are: {words}.", attribute=str(name)[:64])
    try:
        options = msgspec.convert(dict(given), HookOptions)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"options: {error}", attribute="options") from error
    for name in ("types", "topics", "phone_number_ids"):
        values = getattr(options, name)
        if len(values) > MAX_LIST_ITEMS or any(not 0 < len(value) <= MAX_NAME_CHARACTERS for value in values):
            raise InvalidInput(f"{name} may list {MAX_LIST_ITEMS} short texts.", attribute=name)
    if unknown := sorted(set(options.types) - set(EVENT_TYPES)):
        raise InvalidInput(f"types must be event types; {unknown[0][:32]} is none.", attribute="types")
    if any(_TOPIC.fullmatch(topic) is None for topic in options.topics):
        raise InvalidInput("topics must be ARNs of SNS topics.", attribute="topics")
    if options.campaign_id and not re.fullmatch(r"[0-9a-fA-F]{24}", options.campaign_id):
        raise InvalidInput("campaign_id must be 24 hexadecimal digits.", attribute="campaign_id")
    return options


def _plain(options: HookOptions) -> Values:
    """What was decided, for the audit log."""
    decided = msgspec.to_builtins(options)
    return {name: " ".join(value) if isinstance(value, list) else value for name, value in decided.items()}


def _secret(provider: Provider, given: str | None) -> str:
    if provider.origin == "none":
        if given:
            raise InvalidInput(f"{provider.label} has no secret here.", attribute="secret")
        return ""
    if given is None:
        if provider.origin == "given":
            raise InvalidInput(f"secret is required: {provider.key_help}.", attribute="secret", type="missing_field")
        return secrets.token_urlsafe(SECRET_BYTES)
    value = given.strip()
    if not 0 < len(value) <= MAX_SECRET_CHARACTERS or not value.isprintable() or not provider.check_secret(value):
        raise InvalidInput(f"secret does not look like this: {provider.key_help}.", attribute="secret")
    return value


def _address() -> str:
    return base64.b32encode(secrets.token_bytes(ADDRESS_BYTES)).decode().rstrip("=").lower()


def _checked_name(name: str) -> str:
    name = name.strip()
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"name may have {MAX_NAME_CHARACTERS} printable characters.", attribute="name")
    return name


def _unknown() -> NotFound:
    return NotFound("There is no such hook in this workspace.", attribute="hook_id")
