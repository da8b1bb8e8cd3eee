"""Amazon SES events through SNS (ingest specification 3.3)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
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
    text_of,
)
from campanile.hooks.providers.protocol import CLOCK_AHEAD, BadSignature, Tools, Unconfirmed
from campanile.hooks.providers.sns import CONFIRMATIONS, is_aws_url, signed_text
from campanile.hooks.schemas import Hook, Incoming, Reading, Undraftable
from campanile.hooks.table import Rule

TYPE_HEADER = "x-amz-sns-message-type"
RETRIES = timedelta(hours=25)
"""SNS gives up after an hour; a message that was redriven from a queue may be a day old."""
DIMENSIONS_HEADER = "x-campanile"
"""Header of the mail that holds dimensions as JSON, for senders that cannot use tags."""

_PERSONAL = re.compile(r"<([^<>]*)>\s*$")
_OBJECTS = {
    "Bounce": "bounce", "Complaint": "complaint", "Delivery": "delivery", "DeliveryDelay": "deliveryDelay",
    "Open": "open", "Click": "click", "Subscription": "subscription", "Reject": "reject",
    "Rendering Failure": "failure",
}  # fmt: skip
"""Where an event keeps its particulars."""
_OWN_TIME = frozenset({"Bounce", "Complaint", "Delivery", "DeliveryDelay", "Open", "Click", "Subscription"})


class AmazonSes:
    name = "ses"
    label = "Amazon SES"
    refused: Literal[401, 403, 406] = 403
    accepted: Literal[200, 204] = 200
    origin: Literal["given", "made", "none"] = "none"
    key_help = "Amazon signs with keys of its own; list the topics that may post here"
    place = "Amazon SNS: an HTTPS subscription of the topic, without raw message delivery; it is confirmed by itself"
    options = frozenset({"topics", "allow_sha1"})

    def check_secret(self, secret: str) -> bool:
        return False

    def verify(self, hook: Hook, incoming: Incoming, tools: Tools) -> None:
        envelope = _envelope(incoming)
        kind = text_of(envelope.get("Type"))
        if incoming.headers.get(TYPE_HEADER, kind) != kind:
            raise BadSignature("bad_signature")
        version = text_of(envelope.get("SignatureVersion"))
        if version not in ("1", "2") or (version == "1" and not hook.options.allow_sha1):
            raise BadSignature("signature_version")
        text = signed_text(envelope)
        try:
            signature = base64.b64decode(text_of(envelope.get("Signature")), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSignature("bad_signature") from error
        url = text_of(envelope.get("SigningCertURL"))
        if text is None or not signature or not is_aws_url(url, suffix=".pem"):
            raise BadSignature("bad_signature")
        now = incoming.received_at
        if not tools.certificates.verify(url, signature, text, sha1=version == "1", now=now):
            raise BadSignature("bad_signature")
        if not _recent(text_of(envelope.get("Timestamp")), now):
            raise BadSignature("timestamp_out_of_window")
        if text_of(envelope.get("TopicArn")) not in hook.options.topics:
            raise Unconfirmed("topic_not_allowed")

    def read(self, desk: Desk, incoming: Incoming) -> Reading:
        envelope = _envelope(incoming)
        kind = text_of(envelope.get("Type"))
        if kind == CONFIRMATIONS[0]:
            url = text_of(envelope.get("SubscribeURL"))
            return Reading(confirm=url) if is_aws_url(url) else Reading(ignored=1)
        text = text_of(envelope.get("Message"))
        if kind != "Notification" or not text.lstrip().startswith("{"):
            return Reading(ignored=1)  # somebody unsubscribed, or SES greets a new topic
        item = decode(text.encode())
        if not isinstance(item, Mapping):
            raise Unreadable
        reading = Reading()
        _Mail(desk, item, text_of(envelope.get("MessageId"))).read(reading)
        return reading

    def sample(self, now: datetime) -> tuple[str, str, bytes]:
        mail = {
            "messageId": "sample", "timestamp": now.isoformat(), "destination": ["cy@example.net"],
            "tags": {"campaign_id": ["68e0c0ffee00000000000004"], "user_id": ["u-1"]},
        }  # fmt: skip
        event = {"eventType": "Delivery", "mail": mail, "delivery": {"timestamp": now.isoformat()}}
        envelope = {
            "Type": "Notification", "MessageId": "sample", "TopicArn": "arn:aws:sns:eu-west-1:000000000000:sample",
            "Timestamp": now.isoformat(), "Message": msgspec.json.encode(event).decode(),
        }  # fmt: skip
        return "", "text/plain", msgspec.json.encode(envelope)


class _Mail:
    """One event about one mail."""

    def __init__(self, desk: Desk, item: Mapping[str, Any], name: str) -> None:
        self._desk = desk
        self._item = item
        self._name = name
        self._event = text_of(item.get("eventType")) or text_of(item.get("notificationType"))
        self._mail = item.get("mail")
        self._about = item.get(_OBJECTS.get(self._event, ""))
        self._message = text_of(member(self._mail, "messageId"))
        self._found = self._dimensions()

    def read(self, reading: Reading) -> None:
        conditions = {
            name: text_of(member(self._about, name))
            for name in ("bounceType", "bounceSubType", "complaintSubType", "complaintFeedbackType")
        }
        rule = self._desk.table.rule(self._desk.provider, self._event, conditions)
        if rule is None or rule.ignored or (self._event == "Subscription" and not self._opted_out()):
            reading.ignored += 1
            return
        own = text_of(member(self._about, "timestamp")) if self._event in _OWN_TIME else ""
        stamp = own or text_of(member(self._mail, "timestamp"))
        if not self._name or not self._message or not stamp:
            reading.undraftable.append(
                missing("timestamp" if self._name and self._message else "messageId", self._item)
            )
            return
        people = self._people(rule)
        if people is None:
            # Amazon names everybody at the domain, because it does not know who complained.
            text = "The complaint names several recipients and the mail no user."
            reading.undraftable.append(Undraftable("ambiguous_recipient", text))
            return
        for index, (recipient, status, words) in enumerate(people):
            reading.drafts.extend(
                drafts(self._desk, rule, self._found, self._facts(rule, index, stamp, recipient, status, words))
            )

    def _facts(self, rule: Rule, index: int, stamp: str, recipient: str, status: str, words: str) -> Facts:
        bounced = rule.type in ("hard_bounce", "soft_bounce", "deferred")
        return Facts(
            event_id=lambda kind: f"ses:{self._name}:{index}" + ("" if kind == rule.type else f":{kind}"),
            time=stamp,
            message_id=self._message,
            recipient=recipient,
            reason=bounce_reason(status, words) if bounced and not rule.reason else "",
            detail=detail(words or text_of(member(self._about, "reason")) or member(self._about, "errorMessage")),
            extra={"link": self._desk.link(member(self._about, "link"))} if rule.type == "click" else {},
            user_agent=text_of(member(self._about, "userAgent")),
            address=text_of(member(self._about, "ipAddress")),
        )

    def _people(self, rule: Rule) -> list[tuple[str, str, str]] | None:
        """Pseudonym, status code and diagnosis of everybody concerned; None if that cannot be said."""
        named: list[tuple[str, str, str]] = []
        for key in ("bouncedRecipients", "complainedRecipients", "delayedRecipients"):
            listed = member(self._about, key)
            for person in listed if isinstance(listed, list) else ():
                words = text_of(member(person, "diagnosticCode"))
                named.append((self._mailbox(member(person, "emailAddress")), text_of(member(person, "status")), words))
        if rule.type == "complaint" and len(named) > 1 and "user_id" not in self._found:
            return None
        if not named:
            to = member(self._about, "recipients") or member(self._mail, "destination")
            named = [(self._mailbox(address), "", "") for address in (to if isinstance(to, list) else [])]
        if rule.type in ("open", "click", "unsubscribe") and len(named) != 1:
            return [(self._desk.pseudonym("message", self._message), "", "")]  # nothing says which of them it was
        return named or [("", "", "")]

    def _mailbox(self, address: object) -> str:
        text = text_of(address)
        named = _PERSONAL.search(text)
        return self._desk.pseudonym("email", named[1] if named else text)

    def _dimensions(self) -> dict[str, str]:
        found = dimensions(self._desk, member(self._mail, "tags"), bare=True)
        if found:
            return found
        for header in self._headers():
            if text_of(member(header, "name")).lower() == DIMENSIONS_HEADER:
                try:
                    return dimensions(self._desk, decode(text_of(member(header, "value")).encode()), bare=True)
                except Unreadable:
                    return {}
        return {}

    def _headers(self) -> Iterator[object]:
        headers = member(self._mail, "headers")
        yield from headers if isinstance(headers, list) else ()

    def _opted_out(self) -> bool:
        preferences = member(self._about, "newTopicPreferences")
        if member(preferences, "unsubscribeAll") is True:
            return True
        topics = member(preferences, "topicSubscriptionStatus")
        listed = topics if isinstance(topics, list) else []
        return any(text_of(member(topic, "subscriptionStatus")).lower() == "optout" for topic in listed)


def _envelope(incoming: Incoming) -> Mapping[str, Any]:
    content = decode(incoming.body)
    if not isinstance(content, Mapping) or not text_of(content.get("Type")):
        raise Unreadable  # raw message delivery carries no signature
    return content


def _recent(stamp: str, now: datetime) -> bool:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return False
    return moment.tzinfo is not None and -CLOCK_AHEAD <= now - moment <= RETRIES
