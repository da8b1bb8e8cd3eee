"""Meta WhatsApp Cloud API: webhooks (ingest specification 3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec

from campanile.hooks.drafts import (
    Desk,
    Facts,
    Unreadable,
    compact,
    decode,
    detail,
    dimensions,
    drafts,
    member,
    missing,
    text_of,
)
from campanile.hooks.providers.protocol import SharedSecret, Tools, demand, given_signature
from campanile.hooks.schemas import Hook, Incoming, Reading, Undraftable

SIGNATURE = "x-hub-signature-256"
SCHEME = "sha256="


class WhatsApp(SharedSecret):
    name = "whatsapp"
    label = "WhatsApp Cloud API"
    refused: Literal[401, 403, 406] = 401
    accepted: Literal[200, 204] = 200
    key_help = "App secret of the Meta app"
    place = "App dashboard → WhatsApp → Configuration → Webhook, with the verify token; subscribe to messages"
    options = frozenset({"phone_number_ids"})

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        signature = given_signature(incoming, SIGNATURE)
        expected = [SCHEME + hmac.digest(secret.encode(), incoming.body, sha256).hex() for secret in hook.secrets]
        demand(signature, expected)

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        content = decode(incoming.body)
        if not isinstance(member(content, "entry"), list):
            raise Unreadable
        reading = Reading()
        for entry in content["entry"]:
            for change in _list(entry, "changes"):
                _change(desk, change, reading)
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        status = {
            "id": "wamid.SAMPLE", "status": "read", "timestamp": str(int(now.timestamp())),
            "recipient_id": "15551230000", "biz_opaque_callback_data": "cmp1|68e0c0ffee00000000000002|B|fr|u-1",
        }  # fmt: skip
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "2000"}, "statuses": [status]}
        entry = {"id": "1000", "changes": [{"field": "messages", "value": value}]}
        body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
        return "", "application/json", body


def _list(value: object, name: str) -> Iterator[Any]:
    found = member(value, name)
    yield from found if isinstance(found, list) else ()


def _change(desk: Desk, change: object, reading: Reading) -> None:
    field, value = text_of(member(change, "field")), member(change, "value")
    items = [*_list(value, "statuses"), *_list(value, "messages")]
    preferences = list(_list(value, "user_preferences")) if field == "user_preferences" else []
    if not items and not preferences:
        reading.ignored += 1
        return
    sender = text_of(member(value, "metadata", "phone_number_id"))
    own = desk.hook.options.phone_number_ids if desk.hook is not None else ()
    if own and sender not in own:
        wrong = Undraftable("wrong_sender", "The hook does not list this phone_number_id.")
        reading.undraftable.extend(wrong for _ in (*items, *preferences))
        return
    for item in _list(value, "statuses"):
        _status(desk, item, reading)
    for item in _list(value, "messages"):
        _message(desk, item, reading)
    for item in preferences:
        _preference(desk, item, reading)


def _status(desk: Desk, item: object, reading: Reading) -> None:
    status, message, stamp = (text_of(member(item, name)) for name in ("status", "id", "timestamp"))
    errors = list(_list(item, "errors"))
    code = text_of(member(errors[0], "code")) if errors else ""
    rule = desk.table.rule(desk.provider, f"statuses.{status}", {"code": code})
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    if not message or not stamp:
        reading.undraftable.append(missing("id" if stamp else "timestamp", item))
        return
    facts = Facts(
        event_id=lambda kind: f"wa:{message}:{status if kind == rule.type else kind}",
        time=stamp,
        message_id=message,
        recipient=desk.pseudonym("phone", text_of(member(item, "recipient_id"))),
        detail=detail(code, member(errors[0], "title")) if errors else "",
    )
    reading.drafts.extend(drafts(desk, rule, _dimensions(desk, member(item, "biz_opaque_callback_data")), facts))


def _message(desk: Desk, item: object, reading: Reading) -> None:
    kind, original = text_of(member(item, "type")), text_of(member(item, "context", "id"))
    rule = desk.table.rule(desk.provider, f"messages.{kind}", {"context.id": original})
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    name, stamp = text_of(member(item, "id")), text_of(member(item, "timestamp"))
    if not name or not stamp:
        reading.undraftable.append(missing("id" if stamp else "timestamp", item))
        return
    payload = (
        member(item, "button", "payload")
        or member(item, "interactive", "button_reply", "id")
        or member(item, "interactive", "list_reply", "id")
    )
    facts = Facts(
        event_id=lambda _kind: f"wa:{name}:click",
        time=stamp,
        message_id=original,
        recipient=desk.pseudonym("phone", text_of(member(item, "from"))),
        extra={"link_id": detail(payload)[:64]} if payload else {},
    )
    reading.drafts.extend(drafts(desk, rule, {}, facts))


def _preference(desk: Desk, item: object, reading: Reading) -> None:
    rule = desk.table.rule(desk.provider, "user_preferences", {"value": text_of(member(item, "value"))})
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    person, stamp = desk.pseudonym("phone", text_of(member(item, "wa_id"))), text_of(member(item, "timestamp"))
    if not person or not stamp:
        reading.undraftable.append(missing("wa_id" if stamp else "timestamp", item))
        return
    facts = Facts(
        event_id=lambda kind: f"wa:{person}:{kind}:{stamp}",
        time=stamp,
        recipient=person,
        last_send="whatsapp_opt_out",
    )
    reading.drafts.extend(drafts(desk, rule, {}, facts))


def _dimensions(desk: Desk, data: object) -> dict[str, str]:
    if not isinstance(data, str):
        return {}
    if data.startswith("{"):
        try:
            return dimensions(desk, decode(data.encode()), bare=True)
        except Unreadable:
            return {}
    return compact(desk, data)
