"""Judges events by the thousand where nothing about them is out of the ordinary (ingest specification 1.9).

Most events of a request look alike: the same fields, ids of plain characters, times of one form. For those, whole
columns are checked at once. Whatever does not pass at a glance is left to `validate.Validator`, which knows every rule
and gives the reasons; what passes here passes there, with the same result.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from operator import methodcaller
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from campanile.intake.event import Event
from campanile.intake.fields import MERGE_TYPE, PLACEHOLDER_IDS, WITHOUT_CAMPAIGN
from campanile.intake.limits import ID_CHARS, LABEL_CHARS, MESSAGE_ID_CHARS, Limits
from campanile.intake.shapes import OWN_FIELDS
from campanile.intake.strict_json import decode_object
from campanile.intake.times import MICROSECONDS_BELOW, MILLISECONDS_BELOW, SECONDS_BELOW, instant
from campanile.intake.validate import Validator
from campanile.intake.verdicts import Refused

FEWEST_EVENTS = 50
"""Groups of fewer events are not worth the preparations."""

_OWN = {
    "event_id": ID_CHARS, "user_id": ID_CHARS, "device_id": ID_CHARS, "message_id": MESSAGE_ID_CHARS,
    "instance_id": LABEL_CHARS,
}  # fmt: skip
"""Texts that differ from event to event, with their longest length in characters."""
_UNUSUAL = OWN_FIELDS - _OWN.keys() - {"time", "ts"}
_PLAIN_TYPES = frozenset({str, bool, int})
_PAIRS = methodcaller("count", b'":')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MILLISECONDS = 86_400_000
NO_TIME = -(1 << 62)
"""Before all times."""
NO_SHAPE = -1
_SEPARATOR = "|"


Times = npt.NDArray[np.int64]
"""UTC epoch milliseconds."""


class PlainEvents(NamedTuple):
    """Events of one request that were judged together."""

    indexes: list[int]
    """Their positions in the request."""
    prototypes: list[Event]
    """What events have in common that name the same campaign, type, platform, …"""
    shapes: npt.NDArray[np.intp]
    """For each event its prototype."""
    own: dict[str, list[str]]
    """Fields of their own; the others are those of the prototype."""
    times: Times


def plain_events(
    raws: Sequence[bytes | msgspec.Raw], validator: Validator, limits: Limits, *, countable: bool
) -> list[PlainEvents]:
    """Those records that pass at a glance. `countable`: keys can be counted by what follows them."""
    if len(raws) < FEWEST_EVENTS or not countable:
        return []
    texts = list(map(bytes, raws))
    try:
        records = list(map(decode_object, texts))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, (names, keys, text) in enumerate(zip(map(tuple, records), map(_PAIRS, texts), texts, strict=True)):
        # As many keys as there are in the text: none was lost, and no value is an object.
        if len(names) == keys and len(text) <= limits.event_bytes:
            groups[names].append(index)
    found = [
        part
        for names, indexes in groups.items()
        if len(indexes) >= FEWEST_EVENTS
        and _UNUSUAL.isdisjoint(names)
        and (part := _judged(names, indexes, records, validator)) is not None
    ]
    days = {day for part in found for day in np.unique(part.times // _DAY_MILLISECONDS).tolist()}
    if len(days) > limits.days:
        return []
    validator.touch(days)
    return found


def _judged(
    names: tuple[str, ...], indexes: list[int], records: Sequence[dict[str, Any]], validator: Validator
) -> PlainEvents | None:
    """Those of the records, which have the same fields, that pass."""
    columns = {name: [records[index][name] for index in indexes] for name in names}
    own = {name: columns.pop(name) for name in names if name in _OWN}
    time, ts = columns.pop("time", None), columns.pop("ts", None)
    values = ts if time is None else time if ts is None else None
    if "event_id" not in own or ("user_id" not in own and "device_id" not in own) or values is None:
        return None
    passes = np.ones(len(indexes), dtype=np.bool_)
    for name, ids in own.items():
        if not _plain(name, ids):
            passes &= [_plain(name, [one]) for one in ids]
    times = _milliseconds(values)
    earliest, latest = validator.ordinary_times
    passes &= (times >= earliest) & (times <= latest)
    shapes = _shapes(columns, validator)
    if shapes is None:
        return None
    prototypes, places = shapes
    passes &= places != NO_SHAPE
    if "instance_id" in own:
        passes &= np.array([event.type not in WITHOUT_CAMPAIGN for event in prototypes] or [False])[places]
    if passes.all():
        return PlainEvents(indexes, prototypes, places, own, times)
    if passes.sum() < FEWEST_EVENTS:
        return None
    own = {name: list(compress(ids, passes)) for name, ids in own.items()}
    return PlainEvents(list(compress(indexes, passes)), prototypes, places[passes], own, times[passes])


def _plain(name: str, values: list[Any]) -> bool:
    """Whether all values are texts that certainly need no second look."""
    if set(map(type, values)) != {str}:
        return False
    lengths = set(map(len, values))
    if min(lengths) == 0 or max(lengths) > _OWN[name]:
        return False
    line = _SEPARATOR + _SEPARATOR.join(values) + _SEPARATOR
    if not line.isprintable() or f" {_SEPARATOR}" in line or f"{_SEPARATOR} " in line:
        return False
    if name in ("user_id", "device_id") and ("@" in line or f"{_SEPARATOR}+" in line):
        return False
    return name != "user_id" or PLACEHOLDER_IDS.isdisjoint(map(str.lower, values))


def _milliseconds(values: list[Any]) -> Times:
    """The instants of a column; `NO_TIME` where one cannot be read."""
    types = set(map(type, values))
    times = None
    if types == {int}:
        times = _from_numbers(values)
    elif types == {str}:
        times = _from_texts(values)
    return np.array(list(map(_one_by_one, values)), dtype=np.int64) if times is None else times


def _one_by_one(value: object) -> int:
    try:
        return (instant(value, "time") - _EPOCH) // _MILLISECOND
    except Refused:
        return NO_TIME


def _from_numbers(values: list[int]) -> Times | None:
    low, high = min(values), max(values)
    if low > 0 and high < SECONDS_BELOW:
        return np.array(values, dtype=np.int64) * 1000
    if low >= SECONDS_BELOW and high < MILLISECONDS_BELOW:
        return np.array(values, dtype=np.int64)
    if low >= MILLISECONDS_BELOW and high < MICROSECONDS_BELOW:
        return np.array(values, dtype=np.int64) // 1000
    return None


def _from_texts(values: list[str]) -> Times | None:
    """Times of one form: `2025-10-09T09:00:00`, up to six digits of a fraction, `Z` or `+00:00`."""
    sizes = set(map(len, values))
    if len(sizes) != 1:
        return None
    form = _FORMS.get((sizes.pop(), values[0][-1:]))
    text = "".join(values)
    if form is None or not text.isascii():
        return None
    letters = np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, len(form))
    pattern = np.frombuffer(form, dtype=np.uint8)
    digits = pattern == ord("d")
    if (letters[:, ~digits] != pattern[~digits]).any():
        return None
    numbers = letters[:, digits]
    if (numbers < ord("0")).any() or (numbers > ord("9")).any():
        return None
    whole = form.rindex(b"d" if form.endswith(b"Z") else b"d+") + 1
    try:  # refuses hour 24 and second 60, about which the grammar knows more
        return np.array([value[:whole] for value in values], dtype="datetime64[us]").astype(np.int64) // 1000
    except ValueError:
        return None


_FORMS = {
    (len(form), form[-1:].decode()): form
    for form in (
        b"dddd-dd-ddTdd:dd:dd" + fraction + zone
        for fraction in (b"", b".ddd", b".dddddd")
        for zone in (b"Z", b"+00:00")
    )
}
"""Forms of times by length and last letter; `d` is a digit."""


def _shapes(shared: dict[str, list[Any]], validator: Validator) -> tuple[list[Event], npt.NDArray[np.intp]] | None:
    """The prototypes of the shared fields and the place of each event's one, `NO_SHAPE` where it is not ordinary."""
    for values in shared.values():
        # Of one type throughout: `1`, `1.0` and `true` are equal, but not alike.
        types = set(map(type, values))
        if len(types) != 1 or not types <= _PLAIN_TYPES:
            return None
    rows = list(zip(*shared.values(), strict=True))
    places: dict[tuple[Any, ...], int] = {}
    prototypes: list[Event] = []
    for row in dict.fromkeys(rows):
        places[row] = NO_SHAPE
        with contextlib.suppress(Refused):
            shape = validator.shape(dict(zip(shared, row, strict=True)))
            if not shape.ignored and shape.event.type != MERGE_TYPE:
                places[row] = len(prototypes)
                prototypes.append(shape.event)
    if not prototypes:
        return None
    return prototypes, np.array([places[row] for row in rows], dtype=np.intp)
