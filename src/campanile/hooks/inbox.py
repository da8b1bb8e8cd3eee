"""From drafts to stored events: campaign and user are found, the intake judges, the rest waits or is put aside.

Everything here may be done again with the same parcel, in any order and after any interruption: events have the ids
their provider gave them, and so have those that wait and those that were put aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import anyio.to_thread
import msgspec

from campanile.errors import Problem
from campanile.hooks.messages import MessageId, Messages
from campanile.hooks.repository import HookRepository
from campanile.hooks.schemas import (
    DEAD_LETTER_DAYS,
    PENDING_DAYS,
    DeadLetter,
    Delivered,
    Draft,
    KnownMessage,
    Parcel,
    Pending,
    Undraftable,
)
from campanile.intake.service import IntakeRequest, IntakeService
from campanile.kit.pii import address_in
from campanile.workspaces.schemas import Workspace

BATCH_EVENTS = 5_000
"""Events handed to the intake at a time."""
MESSAGE_ID_CHARACTERS = 256
"""Longest message id that an event may have."""
MAX_PENDING = 100_000
"""Events of one workspace that may wait for their messages; more are put aside."""

_WITHOUT_CAMPAIGN = frozenset({"custom", "uninstall"})
_PERSONAL = frozenset({
    "email", "e_mail", "phone", "mobile", "msisdn", "name", "first_name", "last_name", "address", "ip", "push_id",
    "token", "email_id", "email_address", "mobile_number", "user_agent", "useragent", "ip_address",
})  # fmt: skip
"""Attributes that never rest anywhere; the intake drops more, by the rules of the workspace."""


class Inbox:
    """Takes parcels. One per process."""

    def __init__(self, intake: IntakeService, messages: Messages, repository: HookRepository) -> None:
        self._intake = intake
        self._messages = messages
        self._repository = repository

    async def rehearse(self, parcel: Parcel) -> tuple[list[dict[str, Any]], list[Problem]]:
        """The events that a parcel would become, and what would be wrong with them. Changes nothing.

        Raises:
            Unavailable: store or database cannot be reached.
        """
        ready, waiting = await anyio.to_thread.run_sync(self._resolved, parcel)
        request = _request(parcel, dry_run=True)
        events = [draft.event for draft in ready][:BATCH_EVENTS]
        taken = await self._intake.take_received(request, events, parcel.received_at)
        problems = [Problem(item.code, item.message) for item in parcel.undraftable]
        problems += taken.refused.values()
        problems += [Problem("message_unknown", "The message is not known yet.", "message_id") for _ in waiting]
        return [scrubbed(draft).event for draft in (*ready, *waiting)], problems

    async def take(self, parcel: Parcel) -> Delivered:
        """Store what can be stored; returns when it is durable, and what cannot be stored is kept.

        Raises:
            Unavailable: store or database cannot be reached; the parcel may have been taken in part.
        """
        # Whoever waits may give up; then the parcel is spooled, and what the thread finds is of no use.
        ready, waiting = await anyio.to_thread.run_sync(self._resolved, parcel, abandon_on_cancel=True)
        accepted = duplicates = 0
        dead = [_dead(parcel, undraftable) for undraftable in parcel.undraftable]
        for start in range(0, len(ready), BATCH_EVENTS):
            part = ready[start : start + BATCH_EVENTS]
            events = [draft.event for draft in part]
            taken = await self._intake.take_received(_request(parcel), events, parcel.received_at)
            accepted += taken.accepted
            duplicates += taken.duplicates
            dead += [_refused(parcel, part[position], problem) for position, problem in taken.refused.items()]
        if dead or waiting:
            dead += await anyio.to_thread.run_sync(partial(self._put_aside, parcel, waiting, dead))
        return Delivered(accepted=accepted, duplicates=duplicates, waiting=len(waiting), dead=len(dead))

    def _resolved(self, parcel: Parcel) -> tuple[list[Draft], list[Draft]]:
        """Drafts that can be stored, and those whose message nobody knows."""
        known = self._known(parcel)
        ready: list[Draft] = []
        waiting: list[Draft] = []
        for draft in parcel.drafts:
            if draft.last_send:
                ready.append(self._with_last_send(parcel, draft))
            elif draft.has_campaign or draft.event["type"] in _WITHOUT_CAMPAIGN:
                ready.append(with_user(draft, known.get(draft.message)))
            elif draft.message in known:
                ready.append(completed(draft, known[draft.message]))
            elif _can_wait(draft):
                waiting.append(draft)
            else:
                ready.append(with_user(draft, None))  # the intake says what is missing
        return ready, waiting

    def _known(self, parcel: Parcel) -> dict[MessageId, KnownMessage]:
        wanted = {
            draft.message
            for draft in parcel.drafts
            if draft.event.get("message_id")
            and not draft.last_send
            and draft.event["type"] not in _WITHOUT_CAMPAIGN
            and not (draft.has_campaign and _has_user(draft))
        }
        if not wanted:
            return {}
        known = self._messages.known(parcel.workspace.id, wanted, parcel.received_at)
        for draft in parcel.drafts:  # another part of the same delivery may say it
            if draft.message in wanted and draft.message not in known and draft.has_campaign:
                known[draft.message] = _of_draft(draft)
        return known

    def _with_last_send(self, parcel: Parcel, draft: Draft) -> Draft:
        if draft.has_campaign:
            return with_user(draft, None)
        user = draft.event.get("user_id") or draft.recipient
        channel = draft.event.get("channel", "")
        sent = self._messages.last_send(parcel.workspace.id, user, channel, parcel.received_at) if user else None
        if sent is not None:
            event = {name: value for name, value in draft.event.items() if name != "message_id"}
            return completed(Draft(event=event, recipient=draft.recipient), sent)
        event = {**draft.event, "type": "custom", "name": draft.last_send}
        return with_user(Draft(event=event, recipient=draft.recipient), None)

    def _put_aside(self, parcel: Parcel, waiting: Sequence[Draft], dead: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Keep what waits and what is dead; answers what was added to the dead."""
        workspace_id = parcel.workspace.id
        room = MAX_PENDING - self._repository.count_pending(workspace_id)
        too_many = Problem("too_many_waiting", f"More than {MAX_PENDING} events wait for their messages.", "message_id")
        more = [_refused(parcel, draft, too_many) for draft in waiting[max(0, room) :]]
        self._repository.add_pending(
            [
                Pending(
                    id=name_of(workspace_id, draft),
                    workspace_id=workspace_id,
                    source=parcel.source,
                    hook_id=parcel.hook_id,
                    draft=scrubbed(draft),
                    received_at=parcel.received_at,
                )
                for draft in waiting[: max(0, room)]
            ],
            parcel.received_at + PENDING_DAYS,
        )
        self._repository.add_dead_letters([*dead, *more], parcel.received_at + DEAD_LETTER_DAYS)
        return more


def _request(parcel: Parcel, *, dry_run: bool = False) -> IntakeRequest:
    return IntakeRequest(
        workspace=parcel.workspace,
        request_id=parcel.request_id,
        format="ndjson",
        source=parcel.source,
        dry_run=dry_run,
    )


def completed(draft: Draft, message: KnownMessage) -> Draft:
    """The draft with what is known of its message; what it says itself stays."""
    event = dict(draft.event)
    fields = ("campaign_id", "campaign_key", "channel", "locale", "variation", "instance_id", "flow_id")
    for name in fields:
        value = getattr(message, name)
        if value and not event.get(name):
            event[name] = value
    if message.platform and not event.get("platform") and message.platform != message.channel:
        event["platform"] = message.platform
    return with_user(Draft(event=event, recipient=draft.recipient), message)


def with_user(draft: Draft, message: KnownMessage | None) -> Draft:
    """The draft with a user: its own, else the one of its message, else whoever got it."""
    if _has_user(draft):
        return draft
    event = dict(draft.event)
    if message is not None and (message.user_id or message.device_id):
        event |= {name: value for name in ("user_id", "device_id") if (value := getattr(message, name))}
    elif draft.recipient:
        event["user_id"] = draft.recipient
    return Draft(event=event, recipient=draft.recipient)


def scrubbed(draft: Draft) -> Draft:
    """The draft as it may rest somewhere: attributes that look personal are gone."""
    attributes = draft.event.get("attributes")
    if not isinstance(attributes, dict):
        return draft
    return msgspec.structs.replace(draft, event={**draft.event, "attributes": _impersonal(attributes)})


def name_of(workspace_id: str, draft: Draft) -> str:
    """What a draft is called where it rests; the same for every repetition of it."""
    return _name(workspace_id, str(draft.event.get("event_id", "")), str(draft.event.get("type", "")))


def _impersonal(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _impersonal(item)
            for name, item in value.items()
            if name.lower() not in _PERSONAL and not (isinstance(item, str) and address_in(item) is not None)
        }
    if isinstance(value, list):
        return [_impersonal(item) for item in value if not (isinstance(item, str) and address_in(item) is not None)]
    return value


def _can_wait(draft: Draft) -> bool:
    """Whether a message could have this id; databases refuse some characters, and so does the intake."""
    message_id = draft.event.get("message_id", "")
    return 0 < len(message_id) <= MESSAGE_ID_CHARACTERS and bool(message_id.isprintable())


def _has_user(draft: Draft) -> bool:
    return bool(draft.event.get("user_id"))


def _of_draft(draft: Draft) -> KnownMessage:
    def said(name: str) -> str:
        return str(draft.event.get(name, ""))

    return KnownMessage(
        campaign_id=said("campaign_id"),
        campaign_key=said("campaign_key"),
        channel=said("channel"),
        platform=said("platform"),
        locale=said("locale"),
        variation=said("variation"),
        instance_id=said("instance_id"),
        flow_id=said("flow_id"),
        user_id=said("user_id") or draft.recipient,
        device_id=said("device_id"),
    )


def _refused(parcel: Parcel, draft: Draft, problem: Problem) -> DeadLetter:
    kept = scrubbed(draft)
    return DeadLetter(
        id=name_of(parcel.workspace.id, draft),
        workspace_id=parcel.workspace.id,
        source=parcel.source,
        hook_id=parcel.hook_id,
        at=parcel.received_at,
        code=problem.type,
        field=problem.attribute,
        message=problem.message,
        content=msgspec.to_builtins(kept),
        retriable=True,
    )


def _dead(parcel: Parcel, undraftable: Undraftable) -> DeadLetter:
    content = msgspec.json.encode(undraftable.content, order="sorted").decode()
    return DeadLetter(
        id=_name(parcel.workspace.id, parcel.source, undraftable.code, content, parcel.received_at.isoformat()),
        workspace_id=parcel.workspace.id,
        source=parcel.source,
        hook_id=parcel.hook_id,
        at=parcel.received_at,
        code=undraftable.code,
        field=str(undraftable.content.get("field", "")),
        message=undraftable.message,
        content=undraftable.content,
        retriable=False,
    )


def _name(*parts: str) -> str:
    digest = blake2b(digest_size=15)
    for part in parts:
        digest.update(len(part.encode()).to_bytes(4, "little") + part.encode())
    return f"dl_{digest.hexdigest()}"


def parcels_again(workspace: Workspace, letters: Iterable[DeadLetter], request_id: str) -> list[Parcel]:
    """Parcels of drafts that were put aside, to be tried again; each keeps the time of its arrival."""
    return [
        Parcel(
            workspace=workspace,
            source=letter.source,
            hook_id=letter.hook_id,
            request_id=request_id,
            received_at=letter.at,
            drafts=[msgspec.convert(letter.content, Draft)],
        )
        for letter in letters
    ]
