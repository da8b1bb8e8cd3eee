"""Conditions and ranges of a request for a file (RFC 9110, 13 and 14), as far as report files need them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import msgspec

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_TAGS = re.compile(r'(?:W/)?"([^"]*)"')
_MOST_DIGITS = 18


class Selection(msgspec.Struct, frozen=True):
    """Which bytes to send, under which status."""

    status: int
    first: int = 0
    last: int = -1
    """Both inclusive; no bytes when the last one is before the first."""


def http_date(moment: datetime) -> str:
    """A date as headers spell it; whole seconds."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def select(headers: Iterable[tuple[bytes, bytes]], *, size: int, etag: str, modified: datetime) -> Selection:
    """What a GET of a file of `size` bytes answers: 200, 206, 304 or 416.

    One range is served; several, or one that cannot be read, mean the whole file. A date that cannot be read counts as
    absent.
    """
    headers = list(headers)
    modified = modified.astimezone(UTC).replace(microsecond=0)
    none_match, since = _header(headers, b"if-none-match"), _header(headers, b"if-modified-since")
    if none_match is not None:
        if none_match.strip() == "*" or etag.strip('"') in _TAGS.findall(none_match):
            return Selection(304)
    elif since is not None and (date := _date(since)) is not None and modified <= date:
        return Selection(304)
    whole = Selection(200, 0, size - 1)
    wanted, condition = _header(headers, b"range"), _header(headers, b"if-range")
    if wanted is None or (condition is not None and not _unchanged(condition, etag, modified)):
        return whole
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or found[0] == "bytes=-" or max(map(len, found.groups())) > _MOST_DIGITS:
        return whole
    start, end = found.groups()
    if not start:
        length = min(int(end), size)
        return Selection(206, size - length, size - 1) if length else Selection(416)
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:
        return whole  # RFC 9110, 14.1.1: such a range is invalid, and invalid ranges are ignored
    return Selection(206, first, last) if first < size else Selection(416)


def _unchanged(condition: str, etag: str, modified: datetime) -> bool:
    condition = condition.strip()
    if condition.endswith('"'):
        return condition == etag  # a weak tag is never equal here
    return _date(condition) == modified


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _header(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """The value of a header; several lines are one list."""
    found = [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
    return ", ".join(found) if found else None
