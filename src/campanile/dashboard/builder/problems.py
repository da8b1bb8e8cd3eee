"""Which field and which step a problem of a document belongs to, and how it reads there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from campanile.dashboard.reports import phrases
from campanile.errors import Problem
from campanile.reports.schemas import CHANNELS

STEPS = ("Campaigns", "Columns and rows", "Schedule and delivery")


class Trouble(msgspec.Struct, frozen=True):
    """Something wrong with a form."""

    field: str
    """Its id is this behind `f-`; empty if it is about no field."""
    step: int
    """From 1."""
    sentence: str


_PLACES: tuple[tuple[str, str, str, int], ...] = (
    (r"name", "name", "Name", 1),
    (r"selection\.scopes\[\d+\]\.delivery_types.*", "channels", "Delivery types", 1),
    (r"selection\.scopes.*", "channels", "Channels", 1),
    (r"selection\.date_range\.start", "first", "First day", 1),
    (r"selection\.date_range\.end", "last", "Last day", 1),
    (r"selection\.date_range\.days", "days", "Number of days", 1),
    (r"selection\.date_range\.offset_days", "offset", "Days before that", 1),
    (r"selection\.date_range.*", "range", "Days", 1),
    (r"selection\.campaigns.*", "find", "Chosen campaigns", 1),
    (r"selection\.filters\.tags.*", "tags", "Tags", 1),
    (r"selection\.filters\.created_by.*", "created_by", "Created by", 1),
    (r"selection.*", "channels", "Selection", 1),
    (r"content\.columns\.(\w+).*", "columns", "Columns of {}", 2),
    (r"content\.custom_attributes\[(\d+)\]\.(header|expression|decimals).*", "custom-{}-{}", "Own column {}: {}", 2),
    (r"content\.custom_attributes.*", "more", "Own columns", 2),
    (r"content\.split\.(\w+)", "split-{}", "Rows per {}", 2),
    (r"content.*", "columns", "Columns and rows", 2),
    (r"format\.compression", "compression", "Compression", 3),
    (r"format.*", "format", "Format", 3),
    (r"schedule\.at", "at_date", "Date and time", 3),
    (r"schedule\.time_zone", "zone", "Time zone", 3),
    (r"schedule\.time", "time", "Time", 3),
    (r"schedule\.start_date", "start", "Begin", 3),
    (r"schedule\.end\.date", "end_date", "Last date", 3),
    (r"schedule\.end\.runs", "end_runs", "Number of runs", 3),
    (r"schedule\.day", "day", "Day of the month", 3),
    (r"schedule\.weekdays", "weekdays", "Weekdays", 3),
    (r"schedule\.every", "every", "Every", 3),
    (r"schedule.*", "schedule", "Schedule", 3),
    (r"delivery\.email.*", "emails", "E-mail addresses", 3),
    (r"delivery\.webhook.*", "webhook", "Webhook", 3),
    (r"delivery.*", "delivery", "Delivery", 3),
)
"""Pattern of a path, field, label, step; the first that fits counts. Braces stand for the groups of the pattern."""


def trouble(problem: Problem) -> Trouble:
    """Where a problem belongs."""
    for pattern, field, label, step in _PLACES:
        if found := re.fullmatch(pattern, problem.attribute):
            groups = found.groups()
            return Trouble(field.format(*groups), step, _sentence(problem, label.format(*_words(groups))))
    return Trouble("", 1, problem.message)


def troubles(problems: Iterable[Problem]) -> list[Trouble]:
    """All of them, one per field: the first, step by step."""
    found: dict[str, Trouble] = {}
    for item in sorted(map(trouble, problems), key=lambda item: item.step):
        found.setdefault(item.field, item)
    return list(found.values())


def _words(groups: Sequence[str]) -> list[str]:
    return [phrases.channel(text) if text in CHANNELS else str(int(text) + 1) if text.isdecimal() else text
            for text in groups]  # fmt: skip


def _sentence(problem: Problem, label: str) -> str:
    """The message with the label in place of the path it begins with."""
    rest = problem.message.removeprefix(problem.attribute)
    if rest == problem.message:
        return problem.message
    return f"{label}{rest}" if rest.startswith((" ", ":")) else f"{label}: {problem.message}"
