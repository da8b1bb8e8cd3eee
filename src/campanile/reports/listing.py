"""Pages of definitions (report specification 8, 15.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from campanile.errors import InvalidInput
from campanile.reports.schemas import State

PAGE = 20
"""Definitions of one page unless the caller says otherwise."""
LARGEST_PAGE = 100
"""The most a caller may ask for."""

Sort = Literal["created_at", "-created_at", "name", "-name", "next_run_at", "-next_run_at"]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which definitions, in which order."""

    text: str = ""
    """Contained in the name, without regard to case."""
    state: State | None = None
    periodic: bool | None = None
    created_by: str = ""
    sort: Sort = "-created_at"
    limit: int = PAGE
    cursor: str = ""
    """Of the page before."""


class Entry(Protocol):
    """What of a definition decides where it is listed."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def stem_key(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def periodic(self) -> bool | None: ...
    @property
    def created_by(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def next_slot(self) -> datetime | None: ...


_Place = tuple[int, str, str]
"""Rank (what has no value comes last), value, id."""


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    sort: str
    place: _Place


def page(entries: Iterable[Entry], query: Query) -> tuple[list[str], str | None]:
    """The ids of one page, and the cursor of the next one if there is one.

    A page begins after the place where the one before ended, whatever was added or taken away meanwhile.

    Raises:
        InvalidInput: the cursor is of another order or of nobody's making.
    """
    after = _place_of(query)
    descending = query.sort.startswith("-")
    places = [_place(entry, query.sort.lstrip("-")) for entry in entries if _wanted(entry, query)]
    valued = sorted((place for place in places if not place[0]), reverse=descending)
    ordered = [*valued, *sorted(place for place in places if place[0])]
    if after is not None:
        ordered = [place for place in ordered if _follows(place, after, descending)]
    chosen = ordered[: query.limit]
    more = len(ordered) > len(chosen)
    return [place[2] for place in chosen], _cursor(query.sort, chosen[-1]) if more and chosen else None


def _wanted(entry: Entry, query: Query) -> bool:
    return (
        query.text.lower() in entry.name.lower()
        and query.state in (None, entry.state)
        and query.periodic in (None, entry.periodic)
        and query.created_by in ("", entry.created_by)
    )


def _place(entry: Entry, sort: str) -> _Place:
    if sort == "name":
        return 0, entry.stem_key or "", entry.id
    moment = entry.created_at if sort == "created_at" else entry.next_slot
    return (1, "", entry.id) if moment is None else (0, moment.isoformat(timespec="microseconds"), entry.id)


def _follows(place: _Place, after: _Place, descending: bool) -> bool:
    if place[0] != after[0]:
        return place[0] > after[0]
    return place < after if descending and not place[0] else place > after


def _cursor(sort: str, place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(sort, place))).decode().rstrip("=")


def _place_of(query: Query) -> _Place | None:
    if not query.cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
        cursor = msgspec.json.decode(text, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _invalid_cursor() from error
    if cursor.sort != query.sort:
        raise _invalid_cursor()
    return cursor.place


def _invalid_cursor() -> InvalidInput:
    message = "cursor must be the next_cursor of a page in the same order."
    return InvalidInput(message, attribute="cursor", type="invalid_cursor")
