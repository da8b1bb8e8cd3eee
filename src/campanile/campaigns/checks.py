"""Small checks of JSON values. Each finds at most one problem and returns None for what it could not accept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from campanile.errors import Problem

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TYPE_NAMES = {str: "a string", int: "an integer", bool: "a boolean", list: "an array", dict: "an object"}


class Findings:
    """Collects the problems of one document in the order of its fields."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, code: str, target: str, message: str) -> None:
        self.problems.append(Problem(code, message, target))

    def required(self, target: str) -> None:
        self.add("required", target, f"{target} is required")

    def typed(self, value: Any, kind: type, target: str) -> Any:
        """`value` if it is of exactly this JSON type (a boolean is no integer), else None. None stays None."""
        if value is None or type(value) is kind:
            return value
        self.add("type", target, f"{target} must be {_TYPE_NAMES[kind]}")
        return None

    def text(self, value: Any, target: str, longest: int, *, shortest: int = 0) -> str | None:
        """A string without control characters, of `shortest` to `longest` characters."""
        text: str | None = self.typed(value, str, target)
        if text is None:
            return None
        if len(text) > longest:
            self.add("too_long", target, f"{target} may have at most {longest} characters")
            return None
        if len(text) < shortest:
            self.add("required", target, f"{target} must not be empty")
            return None
        if _CONTROL.search(text):
            self.add("format", target, f"{target} must not contain control characters")
            return None
        return text

    def integer(self, value: Any, target: str, low: int, high: int) -> int | None:
        number: int | None = self.typed(value, int, target)
        if number is None or low <= number <= high:
            return number
        self.add("range", target, f"{target} must be from {low} to {high}")
        return None

    def choice(self, value: Any, target: str, understood: str | None, allowed: tuple[str, ...]) -> str | None:
        """`understood` is what the value stands for, None if nothing."""
        if self.typed(value, str, target) is None or understood is not None:
            return understood
        self.add("enum", target, f"{target} must be one of {', '.join(allowed)}")
        return None

    def hexadecimal(self, value: Any, target: str, understood: str | None) -> str | None:
        if self.typed(value, str, target) is None or understood is not None:
            return understood
        self.add("format", target, f"{target} must be 24 hexadecimal characters")
        return None

    def timestamp(self, value: Any, target: str) -> str | None:
        """A time as canonical text; see `parse_time`."""
        text: str | None = self.typed(value, str, target)
        if text is None:
            return None
        instant = parse_time(text)
        if instant is None:
            self.add("format", target, f"{target} must be a time such as 2024-07-04T08:00:54.847Z")
            return None
        return time_text(instant)

    def texts(self, value: Any, target: str, most: int, longest: int) -> list[str] | None:
        """An array of at most `most` strings of 1 to `longest` characters; duplicates are dropped, order is kept."""
        items: list[Any] | None = self.typed(value, list, target)
        if items is None:
            return None
        if len(items) > most:
            self.add("too_many", target, f"{target} may have at most {most} entries")
            return None
        before = len(self.problems)
        texts = []
        for index, item in enumerate(items):
            place = f"{target}.{index}"
            if item is None:
                self.add("type", place, f"{place} must be a string")
            texts.append(self.text(item, place, longest, shortest=1))
        if len(self.problems) > before:
            return None
        return list(dict.fromkeys(text for text in texts if text is not None))


def parse_time(text: str) -> datetime | None:
    """A date and time with `T` or a space between; cut to milliseconds; without a zone it is UTC."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, offset_hours, offset_minutes = match.groups()
    offset = timedelta(0)
    if sign is not None:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        offset = -offset if sign == "-" else offset
    milliseconds = int((fraction or "").ljust(3, "0")[:3])
    try:
        return datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), milliseconds * 1000,
            tzinfo=timezone(offset),
        ).astimezone(UTC)  # fmt: skip
    except (ValueError, OverflowError):
        return None


def time_text(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`; milliseconds only when there are any."""
    precision = "milliseconds" if instant.microsecond >= 1000 else "seconds"
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision)}Z"
