"""Making drafts: dimensions out of custom data, pseudonyms out of addresses (ingest specification 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from campanile.hooks.schemas import MAX_PAYLOAD_DEPTH, Draft, Hook, Undraftable
from campanile.hooks.table import FROM_EVENT, Rule, Table
from campanile.kit.pii import Address, address_in, clean_link, masked, pseudonym
from campanile.workspaces.schemas import Workspace

PREFIX = "cmp_"
"""Of custom fields that senders attach, so that they do not collide with the provider's own."""
COMPACT = "cmp1"
"""First part of the one-line form `cmp1|campaign|variation|locale|user`."""
TAG = "cmp:"
"""Start of the tag form `cmp:campaign[:variation[:locale]]`."""
DETAIL_CHARACTERS = 200
"""Characters kept of what a provider says about a failure."""
LINK_CHARACTERS = 2_048
"""Characters kept of a link."""

_DIMENSIONS = {
    "campaign_id": "campaign_id",
    "parent_campaign_id": "parent_campaign_id",
    "flow_id": "flow_id",
    "variation": "variation",
    "locale": "locale",
    "platform": "platform",
    "user_id": "user_id",
}
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_DIGITS = re.compile(r"\D")
_NOBODY = frozenset({
    "unknown", "guest", "null", "none", "0", "1", "2", "-1", "-2", "true", "false", "na", "n/a", "id", "uid", "userid",
    "user_id", "customer_id", "(empty)", "", "user_attribute_unique_id", "dummy_seller_code",
})  # fmt: skip
"""User ids that stand for nobody; a receiver takes them for absent (ingest specification 1.9)."""

Machine = Callable[[str, str, str], bool]
"""Event type, user agent and address → whether a machine did it."""


class Desk(NamedTuple):
    """Everything a provider module needs to make drafts of one delivery."""

    workspace: Workspace
    hook: Hook | None
    """None for receivers that are no hooks."""
    provider: str
    table: Table
    received_at: datetime
    machine: Machine

    def pseudonym(self, kind: Literal["email", "phone", "message"], value: str) -> str:
        """The id that stands for an address; empty for nothing. Phone numbers may lack their plus sign."""
        value = value.strip()
        if kind == "email":
            found = address_in(value)
            value = found.value if found is not None and found.kind == "email" else value.lower()
        elif kind == "phone" and value:
            digits = _DIGITS.sub("", value)
            value = f"+{digits}" if digits else ""
        return pseudonym(self.workspace.pseudonym_key, Address(kind, value)) if value else ""

    def user(self, value: object) -> str:
        """A user id that may be stored; empty for placeholders. Addresses become pseudonyms."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return ""
        text = str(value).strip()
        if text.lower() in _NOBODY:
            return ""
        if self.workspace.settings.pii_mode != "allow" and (address := address_in(text)) is not None:
            return pseudonym(self.workspace.pseudonym_key, address)
        return text

    def link(self, value: object) -> str:
        """A link without what identifies its reader."""
        if not isinstance(value, str):
            return ""
        return clean_link(value, keep_query=self.workspace.settings.keep_link_query)[:LINK_CHARACTERS]


def text_of(value: object) -> str:
    """A scalar of a payload as a text; empty for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    return f"{value:g}" if isinstance(value, float) else ""


def member(value: object, *path: str) -> Any:
    """What lies at a path of objects; None if there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def dimensions(desk: Desk, fields: object, *, bare: bool = False) -> dict[str, str]:
    """The dimensions among custom fields. `bare`: names without prefix count as well, after those with it."""
    found: dict[str, str] = {}
    if not isinstance(fields, Mapping):
        return found
    for name, ours in _DIMENSIONS.items():
        value = fields.get(PREFIX + name)
        if value is None and bare:
            value = fields.get(name)
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = value[0] if value else None
        text = desk.user(value) if ours == "user_id" else text_of(value).strip()
        if text:
            found[ours] = text
    return keyed(found)


def keyed(found: dict[str, str]) -> dict[str, str]:
    """Dimensions in which a campaign id of another form is a key."""
    campaign = found.get("campaign_id", "")
    if campaign and not _OBJECT_ID.fullmatch(campaign):
        found["campaign_key"] = found.pop("campaign_id")
    return {
        name: value
        for name, value in found.items()
        if name not in ("parent_campaign_id", "flow_id") or _OBJECT_ID.fullmatch(value)
    }


def compact(desk: Desk, text: str) -> dict[str, str]:
    """The dimensions of the one-line form; nothing if the text is none."""
    parts = text.split("|")
    if parts[0] != COMPACT:
        return {}
    names = ("campaign_id", "variation", "locale", "user_id")
    found = {name: unquote(value) for name, value in zip(names, parts[1:], strict=False) if value}
    if "user_id" in found:
        found["user_id"] = desk.user(found["user_id"])
    return keyed({name: value for name, value in found.items() if value})


def tagged(tags: object) -> dict[str, str]:
    """The dimensions of the first tag of the tag form; `tags` is one or a list of them."""
    for tag in [tags] if isinstance(tags, str) else tags if isinstance(tags, list) else []:
        if isinstance(tag, str) and tag.startswith(TAG):
            names = ("campaign_id", "variation", "locale")
            parts = zip(names, tag.removeprefix(TAG).split(":"), strict=False)
            return keyed({name: value for name, value in parts if value})
    return {}


def detail(*parts: object) -> str:
    """What a provider says about a failure, without addresses and numbers."""
    return masked(" ".join(filter(None, map(text_of, parts))))[:DETAIL_CHARACTERS].strip()


class Facts(NamedTuple):
    """What a payload says about one event, apart from its dimensions."""

    event_id: Callable[[str], str]
    """Type → id; events that are implied have ids of their own."""
    time: object
    message_id: str = ""
    recipient: str = ""
    reason: str = ""
    """Replaces the one of the table."""
    detail: str = ""
    extra: Mapping[str, Any] = {}
    """Further fields of the event that was reported, not of implied ones."""
    user_agent: str = ""
    address: str = ""
    last_send: str = ""


def drafts(desk: Desk, rule: Rule, found: Mapping[str, str], facts: Facts, *, channel: str = "") -> list[Draft]:
    """The events of one report: those it implies, the earliest first, and itself."""
    base: dict[str, Any] = {"provider": desk.provider, "time": facts.time, **found}
    if facts.message_id:
        base["message_id"] = facts.message_id
    named = channel if rule.channel == FROM_EVENT else rule.channel
    if named:
        base["channel"] = named
    if desk.hook is not None and desk.hook.options.campaign_id and not {"campaign_id", "campaign_key"} & base.keys():
        base["campaign_id"] = desk.hook.options.campaign_id
    made = [
        Draft(event={**base, "event_id": facts.event_id(kind), "type": kind}, recipient=facts.recipient)
        for kind in reversed(rule.implies)
    ]
    own = {**base, "event_id": facts.event_id(rule.type), "type": rule.type, **facts.extra}
    if rule.type == "custom":
        own.setdefault("name", rule.custom_name)
    if reason := facts.reason or rule.reason:
        own["reason"] = reason
    if facts.detail:
        own["reason_detail"] = facts.detail
    acted = rule.type in ("open", "click")
    if rule.machine or (acted and desk.machine(rule.type, facts.user_agent, facts.address)):
        own["machine"] = True
    made.append(Draft(event=own, recipient=facts.recipient, last_send=facts.last_send))
    return [draft for draft in made if allowed(desk.hook, draft)]


def allowed(hook: Hook | None, draft: Draft) -> bool:
    """Whether the hook takes events of this type."""
    return hook is None or not hook.options.types or draft.event["type"] in hook.options.types


def missing(field: str, item: object) -> Undraftable:
    """A part that lacks something without which it is no event. Only the names of its members are kept."""
    members = sorted(masked(str(name))[:64] for name in item)[:50] if isinstance(item, Mapping) else []
    return Undraftable("missing_field", f"{field} is missing or unreadable.", {"members": members, "field": field})


_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("1.1", "1.2", "1.3", "1.10"), "unknown_recipient"),
    (("2.2",), "mailbox_full"),
    (("2.3", "3.4"), "payload_too_large"),
    (("4.7",), "timed_out"),
    (("7.1", "7.23", "7.25", "7.26"), "policy_blocked"),
)
_UNKNOWN = re.compile(r"no such (?:user|mailbox)|(?:user|recipient|mailbox) (?:is )?(?:unknown|not found)|unknown user"
                      r"|does not exist|invalid recipient", re.IGNORECASE)  # fmt: skip
_FULL = re.compile(r"mailbox (?:is )?full|over ?quota|quota exceeded", re.IGNORECASE)


def bounce_reason(status: str, words: str) -> str:
    """Why a mail server refused, from its enhanced status code (RFC 3463) or its words; empty if neither says."""
    found = _STATUS.search(status) or _STATUS.search(words)
    if found is not None:
        code = f"{found[2]}.{found[3]}"
        for codes, reason in _REASONS:
            if code in codes:
                return reason
    if _UNKNOWN.search(words):
        return "unknown_recipient"
    return "mailbox_full" if _FULL.search(words) else ""


def decode(body: bytes) -> Any:
    """A JSON payload.

    Raises:
        Unreadable: it is none, or nested too deeply.
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable from error
    level: list[object] = [content]
    for _ in range(MAX_PAYLOAD_DEPTH + 1):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return content
    raise Unreadable


class Unreadable(Exception):
    """A payload that is not of the form its provider uses."""
