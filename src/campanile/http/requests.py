"""What handlers read of requests: JSON bodies, query parameters, conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from litestar import Request

from campanile.errors import InvalidInput, UnsupportedMediaType
from campanile.http.bodies import read_body
from campanile.http.responses import JSON

MERGE_PATCH = "application/merge-patch+json"

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Years that queries may name; the calendar of the log ends a little later."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ENTITY_TAGS = re.compile(r'\s*(?:(?:W/)?"[^"]*"\s*(?:,\s*|$))+')
_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


async def read_json(
    request: Request[Any, Any, Any], *, limit: int, media: tuple[str, ...] = (JSON,), optional: bool = False
) -> tuple[bytes, object]:
    """The body and what it says.

    Args:
        limit: bytes.
        media: accepted media types.
        optional: an empty body of any type is an empty object.

    Raises:
        InvalidInput: `invalid_json`. UnsupportedMediaType: another type, or a coding. Otherwise as `read_body`.
    """
    body = await read_body(request, limit=limit)
    if optional and not body:
        return body, {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "").strip().lower()
    if kind not in media or coding not in ("", "identity"):
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(media)}, without Content-Encoding.")
    try:
        content: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("The body is not valid JSON.", attribute="body", type="invalid_json") from error
    return body, content


def query(request: Request[Any, Any, Any], *known: str) -> Mapping[str, str]:
    """The query parameters.

    Raises:
        InvalidInput: `unknown_parameter`: a misspelt one must not be ignored.
    """
    parameters: Mapping[str, str] = request.query_params
    for name in parameters:
        if name not in known:
            message = f"The query parameters here are: {', '.join(known) or 'none'}."
            raise InvalidInput(message, attribute=name[:100], type="unknown_parameter")
    return parameters


def chosen(parameters: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """A query parameter that is one of some words; the first of them is the default.

    Raises:
        InvalidInput: `invalid_parameter`.
    """
    value = parameters.get(name, allowed[0])
    if value not in allowed:
        words = ", ".join(word for word in allowed if word)
        raise InvalidInput(f"{name} must be one of: {words}.", attribute=name, type="invalid_parameter")
    return value


def number(parameters: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    """A query parameter that is a whole number.

    Raises:
        InvalidInput: `invalid_parameter`.
    """
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
        message = f"{name} must be a number from {low} to {high}."
        raise InvalidInput(message, attribute=name, type="invalid_parameter")
    return int(text)


def several(parameters: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A query parameter of different words, separated by commas; nothing when it is missing.

    Raises:
        InvalidInput: `invalid_parameter`.
    """
    text = parameters.get(name)
    values = () if text is None else tuple(text.split(","))
    if not set(values) <= set(allowed) or len(set(values)) < len(values):
        message = f"{name} must be different ones of these, separated by commas: {', '.join(allowed)}."
        raise InvalidInput(message, attribute=name, type="invalid_parameter")
    return values


def day(parameters: Mapping[str, str], name: str) -> date | None:
    """A query parameter that is a calendar day; None when it is missing.

    Raises:
        InvalidInput: `invalid_parameter`.
    """
    text = parameters.get(name)
    if text is None:
        return None
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        message = f"{name} must be a day such as 2026-03-18, from {FIRST_YEAR} to {LAST_YEAR}."
        raise InvalidInput(message, attribute=name, type="invalid_parameter")
    return found


def if_match(request: Request[Any, Any, Any]) -> frozenset[int] | None:
    """The versions that `If-Match` names; None without the header, and for `*`, which anything that exists matches.

    Weak tags match nothing (RFC 9110, 13.1.1).

    Raises:
        InvalidInput: the header cannot be read.
    """
    text = request.headers.get("if-match")
    if text is None or text.strip() == "*":
        return None
    if _ENTITY_TAGS.fullmatch(text) is None:
        message = "If-Match must be * or a list of quoted versions."
        raise InvalidInput(message, attribute="If-Match", type="invalid_value")
    tags = [tag for weak, tag in _ENTITY_TAG.findall(text) if not weak]
    return frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 10)
