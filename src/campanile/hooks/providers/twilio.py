"""Twilio: status callbacks of messages, and opt-outs (ingest specification 3.6)."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha1, sha256
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit

from campanile.hooks.drafts import Desk, Facts, Unreadable, decode, drafts, keyed, missing, text_of
from campanile.hooks.providers.protocol import SharedSecret, Tools, demand, given_signature
from campanile.hooks.schemas import Hook, Incoming, Reading

SIGNATURE = "x-twilio-signature"
BODY_DIGEST = "bodySHA256"
"""Query parameter that stands for the body where it is JSON."""
MOST_PARAMETERS = 200
"""Form parameters of one callback; real ones have about 20."""

_QUERY = {
    "c": "campaign_id", "v": "variation", "l": "locale", "u": "user_id", "p": "parent_campaign_id", "f": "flow_id",
}  # fmt: skip
_PREFIXES = {"whatsapp": "WHATSAPP", "rcs": "RCS"}
_CHANNEL = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*):")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Twilio(SharedSecret):
    name = "twilio"
    label = "Twilio"
    refused: Literal[401, 403, 406] = 403
    accepted: Literal[200, 204] = 204
    key_help = "Auth token of the Twilio account"
    place = "Status callback of the messages, with the dimensions in its query"
    options = frozenset({"channel"})

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        signature = given_signature(incoming, SIGNATURE)
        signed = ""
        if _is_json(incoming):
            digest = parse_qs(incoming.query).get(BODY_DIGEST, [""])[0]
            demand(digest.lower(), [sha256(incoming.body).hexdigest()])
        else:
            signed = "".join(f"{name}{value}" for name, value in sorted(set(_form(incoming))))
        texts = [url + signed for url in _urls(tools.base_url, incoming)]
        expected = [
            base64.b64encode(hmac.digest(secret.encode(), text.encode(), sha1)).decode()
            for secret in hook.secrets
            for text in texts
        ]
        demand(signature, expected)

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        fields = _fields(incoming)
        reading = Reading()
        inbound = "OptOutType" in fields
        event = "inbound" if inbound else fields.get("MessageStatus") or fields.get("SmsStatus", "")
        conditions = {name: fields.get(name, "") for name in ("ErrorCode", "OptOutType")}
        rule = desk.table.rule(desk.provider, event, conditions)
        if rule is None or rule.ignored:
            reading.ignored += 1
            return reading
        message = fields.get("MessageSid") or fields.get("SmsSid", "")
        if not message:
            reading.undraftable.append(missing("MessageSid", fields))
            return reading
        person = fields.get("From" if inbound else "To", "")
        code = fields.get("ErrorCode", "")
        facts = Facts(
            event_id=lambda kind: f"tw:{message}:{event if kind == rule.type else kind}",
            time=round(desk.received_at.timestamp() * 1000),  # callbacks say no time
            message_id=message,
            recipient=desk.pseudonym("phone", _CHANNEL.sub("", person, count=1)),
            detail=f"error {code}" if code.isascii() and code.isdigit() and code != "0" else "",
            last_send="sms_opt_out" if inbound else "",
        )
        found = keyed({
            ours: value
            for name, ours in _QUERY.items()
            if (value := parse_qs(incoming.query).get(name, [""])[0])
        })  # fmt: skip
        if "user_id" in found:
            found["user_id"] = desk.user(found["user_id"])
        reading.drafts.extend(drafts(desk, rule, found, facts, channel=_channel(desk, fields)))
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        query = "c=68e0c0ffee00000000000003&v=A&l=en&u=u-1"
        body = b"MessageSid=SMsample&MessageStatus=delivered&From=%2B15550000000&To=%2B15551230001"
        return query, "application/x-www-form-urlencoded", body


def _is_json(incoming: Incoming) -> bool:
    return incoming.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _form(incoming: Incoming) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            incoming.body.decode(), keep_blank_values=True, strict_parsing=bool(incoming.body),
            max_num_fields=MOST_PARAMETERS, errors="strict",
        )  # fmt: skip
    except ValueError as error:
        raise Unreadable from error


def _fields(incoming: Incoming) -> dict[str, str]:
    if not _is_json(incoming):
        return dict(_form(incoming))
    content = decode(incoming.body)
    if not isinstance(content, Mapping):
        raise Unreadable
    return {name: text_of(value) for name, value in content.items()}


def _urls(base_url: str, incoming: Incoming) -> list[str]:
    """The URL that was signed: as configured, and with the default port written out."""
    rest = incoming.path + (f"?{incoming.query}" if incoming.query else "")
    base = urlsplit(base_url)
    port = _DEFAULT_PORTS.get(base.scheme)
    host = base.netloc.removesuffix(f":{port}")
    return [f"{base.scheme}://{name}{base.path}{rest}" for name in dict.fromkeys((base.netloc, host, f"{host}:{port}"))]


def _channel(desk: Desk, fields: Mapping[str, str]) -> str:
    for name in ("To", "From"):
        if prefix := _CHANNEL.match(fields.get(name, "")):
            return _PREFIXES.get(prefix[1].lower(), "OTHER")
    chosen = desk.hook.options.channel if desk.hook is not None else ""
    return chosen or "SMS"
