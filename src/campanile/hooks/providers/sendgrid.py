"""Twilio SendGrid: event webhook (ingest specification 3.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campanile.hooks.drafts import (
    Desk,
    Facts,
    Unreadable,
    bounce_reason,
    decode,
    detail,
    dimensions,
    drafts,
    keyed,
    member,
    missing,
    tagged,
    text_of,
)
from campanile.hooks.providers.protocol import BadSignature, Tools, in_window
from campanile.hooks.schemas import Hook, Incoming, Reading

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
RETRIES = timedelta(hours=25)
"""SendGrid tries for about a day."""

_MESSAGE_TAIL = re.compile(r"\.(?:recvd|filter).*", re.DOTALL)
_REMARK = re.compile(r"\s*\(.*\)\s*$", re.DOTALL)


class SendGrid:
    name = "sendgrid"
    label = "Twilio SendGrid"
    refused: Literal[401, 403, 406] = 401
    accepted: Literal[200, 204] = 200
    origin: Literal["given", "made", "none"] = "given"
    key_help = "Verification key of the signed event webhook, as SendGrid shows it"
    place = "Mail Settings → Event Webhook; switch Signed Event Webhook on"
    options = frozenset({"dropped_unsubscribed"})

    def check_secret(self, secret: str) -> bool:
        return _key(secret) is not None

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        stamp = incoming.headers.get(TIMESTAMP, "")
        try:
            signature = base64.b64decode(incoming.headers.get(SIGNATURE, ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSignature("bad_signature") from error
        if not signature:
            raise BadSignature("missing_signature")
        if not any(_signed(secret, signature, stamp.encode() + incoming.body) for secret in hook.secrets):
            raise BadSignature("bad_signature")
        if not in_window(stamp, incoming.received_at, RETRIES):
            raise BadSignature("timestamp_out_of_window")

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        items = decode(incoming.body)
        if not isinstance(items, list):
            raise Unreadable
        reading = Reading()
        for item in items:
            _read(desk, item, reading)
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        event = {
            "event": "delivered", "email": "ada@example.net", "timestamp": int(now.timestamp()),
            "sg_event_id": "c2FtcGxl", "sg_message_id": "sample.recvd-1.0",
            "cmp_campaign_id": "68e0c0ffee00000000000001", "cmp_user_id": "u-1",
        }  # fmt: skip
        return "", "application/json", msgspec.json.encode([event])


def _read(desk: Desk, item: object, reading: Reading) -> None:
    event = text_of(member(item, "event"))
    if not isinstance(item, Mapping) or not event:
        reading.undraftable.append(missing("event", item))
        return
    conditions = {name: text_of(item.get(name)) for name in ("type", "status", "sg_machine_open")}
    conditions["reason"] = _REMARK.sub("", text_of(item.get("reason")))
    rule = desk.table.rule(desk.provider, event, conditions)
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    event_id, reason = text_of(item.get("sg_event_id")), text_of(item.get("reason"))
    if not event_id or not isinstance(item.get("timestamp"), int):
        reading.undraftable.append(missing("timestamp" if event_id else "sg_event_id", item))
        return
    bounced = rule.type in ("hard_bounce", "soft_bounce", "deferred")
    facts = Facts(
        event_id=lambda kind: f"sg:{event_id}" if kind == rule.type else f"sg:{event_id}:{kind}",
        time=item["timestamp"],
        message_id=_MESSAGE_TAIL.sub("", text_of(item.get("sg_message_id"))),
        recipient=desk.pseudonym("email", text_of(item.get("email"))),
        reason=bounce_reason(conditions["status"], reason) if bounced and not rule.reason else "",
        detail=detail(reason or item.get("response")) if rule.type in _WITH_DETAIL else "",
        extra={"link": desk.link(item.get("url"))} if rule.type == "click" else {},
        user_agent=text_of(item.get("useragent")),
        address=text_of(item.get("ip")),
    )
    found = _dimensions(desk, item)
    reading.drafts.extend(drafts(desk, rule, found, facts))
    both = desk.hook is not None and desk.hook.options.dropped_unsubscribed == "both"
    if both and rule.type == "failed" and rule.reason == "unsubscribed":
        left = desk.table.rule(desk.provider, "unsubscribe")
        if left is not None:
            apart = facts._replace(event_id=lambda kind: f"sg:{event_id}:{kind}", detail="")
            reading.drafts.extend(drafts(desk, left, found, apart))


def _dimensions(desk: Desk, item: Mapping[str, Any]) -> dict[str, str]:
    found = dimensions(desk, item)
    if "campaign_id" in found or "campaign_key" in found:
        return found
    tags = tagged(item.get("category"))
    if not tags and (marketing := text_of(item.get("marketing_campaign_id"))):
        tags = keyed({"campaign_id": marketing, "variation": text_of(item.get("marketing_campaign_version"))})
    return {**tags, **found}


def _key(secret: str) -> EllipticCurvePublicKey | None:
    """The public key in the form that the console shows: base64 of the DER, without PEM lines."""
    try:
        key = load_der_public_key(base64.b64decode(secret.strip(), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def _signed(secret: str, signature: bytes, text: bytes) -> bool:
    key = _key(secret)
    if key is None:
        return False
    try:
        key.verify(signature, text, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


_WITH_DETAIL = frozenset({"hard_bounce", "soft_bounce", "deferred", "failed"})
