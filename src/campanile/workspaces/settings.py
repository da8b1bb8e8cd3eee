"""Settings of a workspace from text, as an operator types them, and from what is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from campanile.errors import InvalidInput, Problem
from campanile.kit.times import is_timezone
from campanile.metrics.channels import CHANNELS
from campanile.workspaces.schemas import WorkspaceSettings

MOST_DOMAIN_CHARACTERS = 4_000
"""Longest list of domains."""

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_TYPES = get_type_hints(WorkspaceSettings)
_WORDS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
_RANGES: dict[str, tuple[int, int]] = {
    "rate_limit": (1, 1_000_000),
    "max_campaign_ids": (1, 50),
    "intake_rate": (1, 100_000_000),
    "intake_burst": (1, 100_000_000),
}

_STARTS: dict[str, tuple[str, ...]] = {
    "attribution_view_start": ("sent", "delivered", "impression", "open", "read", "click", "synced"),
    "attribution_session_start": ("click", "view"),
}
"""Settings that name a start per channel, each with the starts there are."""


def parse_settings(changes: Mapping[str, str]) -> dict[str, Any]:
    """Settings by name from their texts; an empty text means the default.

    Raises:
        InvalidInput: names every unknown setting and every value that does not fit.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in changes.items():
        try:
            values[name] = _parse(name, text.strip())
        except ValueError as error:
            problems.append(Problem("invalid_setting", str(error), name))
    if problems:
        message = "; ".join(problem.message for problem in problems)
        raise InvalidInput(message, attribute=problems[0].attribute, type="invalid_setting", problems=tuple(problems))
    return values


def load_settings(stored: str) -> tuple[dict[str, Any], WorkspaceSettings]:
    """The stored decisions, and the complete settings they give; names of other versions are ignored."""
    decided: dict[str, Any] = {key: value for key, value in msgspec.json.decode(stored).items() if key in _TYPES}
    return decided, msgspec.convert(decided, WorkspaceSettings)


def _parse(name: str, text: str) -> Any:
    if name not in _TYPES:
        raise ValueError(f"{name} is not a setting of a workspace; there are: {', '.join(_TYPES)}")
    if not text:
        return getattr(WorkspaceSettings(), name)
    if name == "timezone":
        if not is_timezone(text):
            raise ValueError("timezone must be an IANA time zone such as Europe/Berlin or UTC")
        return text
    if name in _STARTS:
        return _starts(name, text)
    if name == "report_email_domains":
        return _domains(name, text)
    kind = _TYPES[name]
    if kind is bool:
        if text.lower() not in _WORDS:
            raise ValueError(f"{name} must be true or false")
        return _WORDS[text.lower()]
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
        if text.lower() not in choices:
            raise ValueError(f"{name} must be one of: {', '.join(choices)}")
        return choices[text.lower()]
    return _whole_number(name, text)


def _starts(name: str, text: str) -> str:
    """`CHANNEL:start` pairs, separated by spaces or commas, in canonical form: sorted, one space between them."""
    found: dict[str, str] = {}
    for pair in text.replace(",", " ").split():
        channel, _, start = pair.partition(":")
        channel, start = channel.upper(), start.lower()
        if channel not in CHANNELS or start not in _STARTS[name]:
            raise ValueError(
                f"{name} must be pairs such as EMAIL:{_STARTS[name][1]}; starts: {', '.join(_STARTS[name])}"
            )
        if found.setdefault(channel, start) != start:
            raise ValueError(f"{name} names {channel} twice")
    return " ".join(f"{channel}:{start}" for channel, start in sorted(found.items()))


def _domains(name: str, text: str) -> str:
    """Domains, separated by spaces or commas, in canonical form: lower case, sorted, one space between them."""
    domains = set(text.lower().replace(",", " ").split())
    if len(text) > MOST_DOMAIN_CHARACTERS or not all(_DOMAIN.fullmatch(domain) for domain in domains):
        raise ValueError(f"{name} must be domains such as example.com, at most {MOST_DOMAIN_CHARACTERS} characters")
    return " ".join(sorted(domains))


def _whole_number(name: str, text: str) -> int | None:
    low, high = _RANGES[name]
    if type(None) in get_args(_TYPES[name]) and text.lower() == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise ValueError(f"{name} must be a whole number from {low} to {high}")
    return int(text)
