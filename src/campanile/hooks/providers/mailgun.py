"""Mailgun: webhooks of version 3 (ingest specification 3.4)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
    member,
    missing,
    tagged,
    text_of,
)
from campanile.hooks.providers.protocol import BadSignature, SharedSecret, Tools, in_window, matches
from campanile.hooks.schemas import Hook, Incoming, Reading

RETRIES = timedelta(hours=12)
"""Mailgun tries for about eight hours."""
TOKEN_CHARACTERS = 128
"""Longest token; real ones have 50."""

_MILLISECONDS = 1000


class Mailgun(SharedSecret):
    name = "mailgun"
    label = "Mailgun"
    refused: Literal[401, 403, 406] = 406  # anything else would be tried again for hours
    accepted: Literal[200, 204] = 200
    key_help = "HTTP webhook signing key of the Mailgun account"
    place = "Sending → Webhooks, for every event"
    options = frozenset[str]()

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        signed = member(decode(incoming.body), "signature")
        if not isinstance(signed, Mapping):
            raise BadSignature("missing_signature")
        parts = _parts(signed)
        if not _genuine(hook, parts):
            parent = signed.get("parent-signature")
            parts = _parts(parent) if isinstance(parent, Mapping) else parts
            if not _genuine(hook, parts):
                raise BadSignature("bad_signature")
        stamp, token, _ = parts
        if not in_window(stamp, incoming.received_at, RETRIES):
            raise BadSignature("timestamp_out_of_window")
        # The signature does not cover the body, so its token is good for one body only.
        if not tools.tokens.claim(hook, token, incoming.body):
            raise BadSignature("token_reused")

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        item = member(decode(incoming.body), "event-data")
        if not isinstance(item, Mapping):
            raise Unreadable
        reading = Reading()
        _read(desk, item, reading)
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        event = {
            "event": "delivered", "id": "sample", "timestamp": now.timestamp(), "recipient": "di@example.net",
            "message": {"headers": {"message-id": "sample@mg.example.com"}},
            "user-variables": {"cmp_campaign_id": "68e0c0ffee00000000000004", "cmp_user_id": "u-1"},
        }  # fmt: skip
        return "", "application/json", msgspec.json.encode({"signature": {}, "event-data": event})


def _read(desk: Desk, item: Mapping[str, Any], reading: Reading) -> None:
    event, status = text_of(item.get("event")), item.get("delivery-status")
    reason, code = text_of(item.get("reason")), text_of(member(status, "code"))
    conditions = {
        "severity": text_of(item.get("severity")),
        "reason": reason,
        "code": code,
        "client-info.bot": text_of(member(item, "client-info", "bot")),
    }
    rule = desk.table.rule(desk.provider, event, conditions)
    if rule is None or rule.ignored:
        reading.ignored += 1
        return
    name, stamp = text_of(item.get("id")), item.get("timestamp")
    if not name or isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 < stamp < 10**11:
        reading.undraftable.append(missing("timestamp" if name else "id", item))
        return
    happened = datetime.fromtimestamp(stamp, UTC)
    words = text_of(member(status, "message")) or text_of(member(status, "description"))
    bounced = rule.type in ("hard_bounce", "soft_bounce", "deferred")
    facts = Facts(
        # Ids are unique within a day only.
        event_id=lambda _kind: f"mg:{name}:{happened:%Y%m%d}",
        time=round(stamp * _MILLISECONDS),
        message_id=text_of(member(item, "message", "headers", "message-id")),
        recipient=desk.pseudonym("email", text_of(item.get("recipient"))),
        reason=bounce_reason(text_of(member(status, "enhanced-code")), words) if bounced and not rule.reason else "",
        detail=detail(code, words) if bounced or rule.type in ("failed", "undelivered") else "",
        extra={"link": desk.link(item.get("url"))} if rule.type == "click" else {},
        user_agent=text_of(member(item, "client-info", "user-agent")),
        address=text_of(item.get("ip")),
    )
    found = {**tagged(item.get("tags")), **dimensions(desk, item.get("user-variables"), bare=True)}
    reading.drafts.extend(drafts(desk, rule, found, facts))


def _parts(signed: Mapping[str, Any]) -> tuple[str, str, str]:
    return text_of(signed.get("timestamp")), text_of(signed.get("token")), text_of(signed.get("signature"))


def _genuine(hook: Hook, parts: tuple[str, str, str]) -> bool:
    stamp, token, signature = parts
    text = (stamp + token).encode()
    expected = [hmac.digest(secret.encode(), text, sha256).hex() for secret in hook.secrets]
    return bool(token) and len(token) <= TOKEN_CHARACTERS and matches(signature, expected)
