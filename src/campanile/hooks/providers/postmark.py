"""Postmark: webhooks (ingest specification 3.5)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec

from campanile.hooks.drafts import (
    Desk,
    Facts,
    Unreadable,
    bounce_reason,
    decode,
    detail,
    dimensions,
    drafts,
    missing,
    tagged,
    text_of,
)
from campanile.hooks.providers.protocol import BadSignature, Tools, matches
from campanile.hooks.schemas import Hook, Incoming, Reading
from campanile.hooks.table import Rule

HEADER = "x-campanile-secret"
HASH_DIGITS = 8
"""Hex digits that tell recipients and links of one message apart."""

_TIMES = {
    "Delivery": "DeliveredAt",
    "Open": "ReceivedAt",
    "Click": "ReceivedAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "SubscriptionChange": "ChangedAt",
}
_CONDITIONS = ("Type", "SuppressSending", "SuppressionReason")


class Postmark:
    name = "postmark"
    label = "Postmark"
    refused: Literal[401, 403, 406] = 401
    accepted: Literal[200, 204] = 200
    origin: Literal["given", "made", "none"] = "made"
    key_help = "Password of the webhook's Basic credentials, or value of its header X-Campanile-Secret"
    place = "Servers → Message stream → Webhooks, for every event"
    options = frozenset[str]()

    def check_secret(self, secret: str) -> bool:
        return len(secret) >= 16

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        given = [incoming.headers[name] for name in (HEADER,) if name in incoming.headers]
        scheme, _, token = incoming.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given.append(base64.b64decode(token, validate=True).decode().partition(":")[2])
            except (binascii.Error, UnicodeDecodeError, ValueError) as error:
                raise BadSignature("bad_signature") from error
        if not given:
            raise BadSignature("missing_signature")
        if not all(matches(one, hook.secrets) for one in given):
            raise BadSignature("bad_signature")

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        item = decode(incoming.body)
        if not isinstance(item, Mapping):
            raise Unreadable
        reading = Reading()
        _read(desk, item, reading)
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        event = {
            "RecordType": "Delivery", "MessageID": "sample", "Recipient": "ed@example.net",
            "DeliveredAt": now.isoformat(),
            "Metadata": {"campaign_id": "68e0c0ffee00000000000004", "user_id": "u-1"},
        }  # fmt: skip
        return "", "application/json", msgspec.json.encode(event)


def _read(desk: Desk, item: Mapping[str, Any], reading: Reading) -> None:
    record = text_of(item.get("RecordType"))
    rule = desk.table.rule(desk.provider, record, {name: text_of(item.get(name)) for name in _CONDITIONS})
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    message, stamp = text_of(item.get("MessageID")), text_of(item.get(_TIMES.get(record, "")))
    if not message or not stamp:
        reading.undraftable.append(missing("MessageID" if stamp else _TIMES.get(record, "time"), item))
        return
    recipient = desk.pseudonym("email", text_of(item.get("Recipient")) or text_of(item.get("Email")))
    link = text_of(item.get("OriginalLink"))
    words = text_of(item.get("Description")), text_of(item.get("Details"))
    bounced = rule.type in ("hard_bounce", "soft_bounce", "deferred")
    facts = Facts(
        event_id=_ids(rule, item, message, recipient, stamp, link),
        time=stamp,
        message_id=message,
        recipient=recipient,
        reason=bounce_reason("", " ".join(words)) if bounced and not rule.reason else "",
        detail=detail(text_of(item.get("Type")), *words) if record == "Bounce" and rule.type != "custom" else "",
        extra={"link": desk.link(link)} if rule.type == "click" else {},
        user_agent=text_of(item.get("UserAgent")),
        address=text_of(item.get("Geo", {}).get("IP")) if isinstance(item.get("Geo"), Mapping) else "",
    )
    found = {**tagged(item.get("Tag")), **dimensions(desk, item.get("Metadata"), bare=True)}
    reading.drafts.extend(drafts(desk, rule, found, facts))


def _ids(rule: Rule, item: Mapping[str, Any], message: str, recipient: str, stamp: str, link: str) -> Any:
    """Ids of the events; only bounces have one of their own."""
    who = recipient.removeprefix("p_")[:HASH_DIGITS]
    bounce = text_of(item.get("ID"))

    def name(kind: str) -> str:
        if kind == rule.type and bounce and text_of(item.get("RecordType")) == "Bounce":
            return f"pm:b:{bounce}"
        parts = ["pm", message, who, kind]
        if kind in ("open", "click", "custom"):
            parts.append(stamp)
        if kind == "click":
            parts.append(sha256(link.encode()).hexdigest()[:HASH_DIGITS])
        return ":".join(parts)

    return name
