"""Events in the form of MoEngage's Track Event API, for trackers that already speak it (ingest specification 2.8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from campanile.errors import InvalidInput, Problem
from campanile.hooks.drafts import Desk, Unreadable, decode, text_of
from campanile.hooks.schemas import Draft

SOURCE = "moengage_track"
MAX_BODY_BYTES = 128 * 1024
"""Bytes of one request, as in the original."""
MAX_ACTIONS = 1_000
"""Actions of one request: far more than fit in practice."""

_EMAILS = frozenset({"email", "email_id", "u_em", "moe_email"})
_NUMBERS = frozenset({"mobile", "mobile_number", "phone", "phone_number", "u_mb"})


def read_track_event(desk: Desk, body: bytes) -> list[Draft]:
    """The actions of one request, each a custom event.

    Raises:
        InvalidInput: the body is not of this form; names the first member that is wrong.
    """
    try:
        content = decode(body)
    except Unreadable as error:
        raise InvalidInput("The body is not valid JSON.", attribute="body", type="invalid_json") from error
    if not isinstance(content, Mapping):
        raise InvalidInput("The body must be a JSON object.", attribute="body", type="invalid_type")
    if content.get("type") != "event":
        raise InvalidInput('type must be "event".', attribute="type", type="invalid_value")
    user = _user(desk, content)
    if not user:
        raise InvalidInput(
            "customer_id or user_identifiers must name one person.", attribute="customer_id", type="missing_field"
        )
    actions = content.get("actions")
    if not isinstance(actions, list) or not 0 < len(actions) <= MAX_ACTIONS:
        raise InvalidInput(f"actions must be a list of 1 to {MAX_ACTIONS}.", attribute="actions", type="invalid_value")
    problems = [problem for index, action in enumerate(actions) for problem in _problems(action, f"actions.{index}")]
    if problems:
        first = problems[0]
        raise InvalidInput(first.message, attribute=first.attribute, type=first.type, problems=tuple(problems))
    return [_draft(desk, user, action, index) for index, action in enumerate(actions)]


def _user(desk: Desk, content: Mapping[str, Any]) -> str:
    if user := desk.user(content.get("customer_id")):
        return user
    identifiers = content.get("user_identifiers")
    for name, value in identifiers.items() if isinstance(identifiers, Mapping) else ():
        text = text_of(value)
        if not text:
            continue
        if name in _EMAILS:
            return desk.pseudonym("email", text)
        if name in _NUMBERS:
            return desk.pseudonym("phone", text)
        if user := desk.user(text):
            return user
    return ""


def _problems(action: object, place: str) -> list[Problem]:
    if not isinstance(action, Mapping):
        return [Problem("invalid_type", f"{place} must be an object.", place)]
    if not text_of(action.get("action")).strip():
        return [Problem("missing_field", f"{place}.action is required.", f"{place}.action")]
    if not isinstance(action.get("attributes", {}), Mapping):
        return [Problem("invalid_type", f"{place}.attributes must be an object.", f"{place}.attributes")]
    return []


def _draft(desk: Desk, user: str, action: Mapping[str, Any], position: int) -> Draft:
    name, attributes = text_of(action["action"]).strip(), action.get("attributes", {})
    given = _time(action.get("user_time")) or _time(action.get("current_time"))
    text = json.dumps(
        [desk.workspace.id, user, name, given, attributes, position], sort_keys=True, separators=(",", ":")
    )
    event: dict[str, Any] = {
        "event_id": f"te:{sha256(text.encode()).hexdigest()}",
        "type": "custom",
        "name": name,
        "time": given or round(desk.received_at.timestamp() * 1000),
        "user_id": user,
        "provider": SOURCE,
    }
    if attributes:
        event["attributes"] = dict(attributes)
    if platform := text_of(action.get("platform")).strip():
        event["platform"] = platform
    return Draft(event=event)


def _time(value: object) -> int | str | None:
    """Seconds or milliseconds since 1970, or an RFC 3339 text; None for nothing."""
    if isinstance(value, float):
        return round(value * 1000) if 0 < value < 10**11 else round(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value or None
    return value.strip() or None if isinstance(value, str) else None
