"""Judges events by the thousand where nothing about them is out of the ordinary (ingest specification 1.9).

Most events of a request look alike: the same fields, ids of plain characters, times of one form. Those never become
objects: the whole body is read into columns, and columns are checked. Whatever does not pass at a glance is left to
`validate.Validator`, which knows every rule and gives the reasons; what passes here passes there, with the same result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campanile.intake.columns import FLAG, NUMBER, TEXT, Column, columns_of
from campanile.intake.event import Event
from campanile.intake.fields import MERGE_TYPE, PLACEHOLDER_IDS, WITHOUT_CAMPAIGN
from campanile.intake.limits import ID_CHARS, LABEL_CHARS, MESSAGE_ID_CHARS, Limits
from campanile.intake.shapes import OWN_FIELDS
from campanile.intake.times import MICROSECONDS_BELOW, MILLISECONDS_BELOW, SECONDS_BELOW, instant
from campanile.intake.validate import Validator
from campanile.intake.verdicts import Refused

FEWEST_EVENTS = 50
"""Fewer events are not worth the preparations."""

_OWN = {
    "event_id": ID_CHARS, "user_id": ID_CHARS, "device_id": ID_CHARS, "message_id": MESSAGE_ID_CHARS,
    "instance_id": LABEL_CHARS,
}  # fmt: skip
"""Texts that differ from event to event, with their longest length in characters."""
_PERSONS = frozenset({"user_id", "device_id"})
_TIMES = ("time", "ts")
_UNUSUAL = OWN_FIELDS - _OWN.keys() - set(_TIMES)
_TEXTS = frozenset({TEXT})
_SHARED_KINDS = frozenset({TEXT, NUMBER, FLAG})
_PLACEHOLDERS = pa.array(sorted(PLACEHOLDER_IDS))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MILLISECONDS = 86_400_000
NO_TIME = -(1 << 62)
"""Before all times."""
NO_SHAPE = -1
_MOST_COMBINATIONS = 1 << 40
"""Combinations of values that are told apart by one number without renumbering; far from overflowing 64 bits."""

Times = npt.NDArray[np.int64]
"""UTC epoch milliseconds."""
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]


class PlainEvents(NamedTuple):
    """Events of one request that were judged together."""

    indexes: npt.NDArray[np.int64]
    """Their positions in the request."""
    prototypes: list[Event]
    """What events have in common that name the same campaign, type, platform, …"""
    shapes: Places
    """For each event its prototype."""
    own: dict[str, pa.Array]
    """Texts of their own, empty where an event has none; the other fields are those of the prototype."""
    times: Times


def plain_events(raws: Sequence[bytes], validator: Validator, limits: Limits) -> PlainEvents | None:
    """Those records that pass at a glance; None if they are too few. The records hold no line breaks."""
    if len(raws) < FEWEST_EVENTS:
        return None
    columns = columns_of(raws, limits.event_bytes)
    if columns is None:
        return None
    passes = np.ones(len(raws), dtype=np.bool_)
    for name, column in columns.items():
        if name in _UNUSUAL or column.kind not in (_TEXTS if name in _OWN else _SHARED_KINDS):
            passes &= ~column.present
    own = {name: columns[name] for name in _OWN if name in columns and columns[name].kind == TEXT}
    if "event_id" not in own:
        return None
    passes &= own["event_id"].present
    passes &= _any_of([own[name].present for name in _PERSONS & own.keys()], len(raws))
    for name, column in own.items():
        passes &= ~column.present | _plain(name, column)
    times = _milliseconds([columns[name] for name in _TIMES if name in columns], len(raws))
    earliest, latest = validator.ordinary_times
    passes &= (times >= earliest) & (times <= latest)
    if not passes.any():
        return None
    shared = {
        name: column for name, column in columns.items() if name not in OWN_FIELDS and column.kind in _SHARED_KINDS
    }
    prototypes, shapes = _shapes(shared, passes, validator)
    passes &= shapes != NO_SHAPE
    if "instance_id" in own:
        nowhere = np.array([event.type in WITHOUT_CAMPAIGN for event in prototypes] or [False])
        passes &= ~(own["instance_id"].present & nowhere[shapes])
    return _taken(passes, prototypes, shapes, own, times, validator, limits)


def _taken(
    passes: Flags,
    prototypes: list[Event],
    shapes: Places,
    own: dict[str, Column],
    times: Times,
    validator: Validator,
    limits: Limits,
) -> PlainEvents | None:
    """The events that pass, unless they are too few or on too many days."""
    indexes = np.flatnonzero(passes)
    if len(indexes) < FEWEST_EVENTS:
        return None
    if len(indexes) < len(passes):
        shapes, times = shapes[indexes], times[indexes]
    days = np.unique(times // _DAY_MILLISECONDS).tolist()
    if len(days) > limits.days:
        return None
    validator.touch(days)
    texts = {}
    for name, column in own.items():
        text = column.values if len(indexes) == len(passes) else column.values.take(pa.array(indexes))
        if text.null_count:
            fallback = pa.array([event.instance_id if name == "instance_id" else "" for event in prototypes], TEXT)
            text = pc.coalesce(text, fallback.take(pa.array(shapes)))
        texts[name] = text
    return PlainEvents(indexes, prototypes, shapes, texts, times)


def _any_of(flags: Sequence[Flags], size: int) -> Flags:
    found = np.zeros(size, dtype=np.bool_)
    for each in flags:
        found |= each
    return found


# --- ids


def _plain(name: str, column: Column) -> Flags:
    """Which of the texts certainly need no second look."""
    starts, octets = column.text()
    lengths = np.diff(starts)
    passes: Flags = (lengths > 0) & (lengths <= _OWN[name])
    odd = (octets < ord(" ")) | (octets > ord("~"))
    if name in _PERSONS:
        odd |= octets == ord("@")
    if odd.any():
        passes[np.searchsorted(starts, np.flatnonzero(odd), side="right") - 1] = False
    if octets.size:
        last = octets.size - 1
        first_octets = octets[np.minimum(starts[:-1], last)]
        passes &= (first_octets != ord(" ")) & (octets[np.clip(starts[1:] - 1, 0, last)] != ord(" "))
        if name in _PERSONS:
            passes &= first_octets != ord("+")
    if name == "user_id":
        named = pc.is_in(pc.ascii_lower(column.values), value_set=_PLACEHOLDERS)
        passes &= ~named.to_numpy(zero_copy_only=False)
    second = np.flatnonzero(~passes & column.present)
    if len(second):
        passes[second] = [_is_plain(name, value) for value in column.values.take(pa.array(second)).to_pylist()]
    return passes


def _is_plain(name: str, value: str) -> bool:
    """The same for one text of any alphabet."""
    if not 0 < len(value) <= _OWN[name] or not value.isprintable() or value[0] == " " or value[-1] == " ":
        return False
    if name in _PERSONS and ("@" in value or value[0] == "+"):
        return False
    return name != "user_id" or value.lower() not in PLACEHOLDER_IDS


# --- times


def _milliseconds(columns: Sequence[Column], size: int) -> Times:
    """The instant of each event; `NO_TIME` where there is none, more than one, or one that cannot be read."""
    times = np.full(size, NO_TIME, dtype=np.int64)
    given = np.zeros(size, dtype=np.int64)
    for column in columns:
        given += column.present
        where = np.flatnonzero(column.present)
        if column.kind == NUMBER:
            times[where] = _from_numbers(column.values.drop_null().to_numpy(zero_copy_only=False))
        elif column.kind == TEXT:
            times[where] = _from_texts(column, where)
    times[given != 1] = NO_TIME
    return times


def _from_numbers(values: Times) -> Times:
    """Seconds, milliseconds or microseconds, by their size."""
    found = np.where(
        values < SECONDS_BELOW,
        np.minimum(values, SECONDS_BELOW) * 1000,
        np.where(values < MILLISECONDS_BELOW, values, values // 1000),
    )
    found[(values <= 0) | (values >= MICROSECONDS_BELOW)] = NO_TIME
    return found


def _from_texts(column: Column, where: npt.NDArray[np.int64]) -> Times:
    """Times of the forms that senders use are read by the column, others one by one."""
    starts, octets = column.text()
    sizes = np.diff(starts)[where]
    times = np.full(len(where), NO_TIME, dtype=np.int64)
    for size in np.unique(sizes).tolist():
        group = np.flatnonzero(sizes == size)
        if len(group) == len(column.values):
            letters, values = octets.reshape(-1, size), column.values
        else:
            letters = octets[starts[where[group], None] + np.arange(size)]
            values = column.values.take(pa.array(where[group]))
        found = _of_one_form(letters, values)
        times[group] = _one_by_one(values) if found is None else found
    return times


def _of_one_form(letters: npt.NDArray[np.uint8], values: pa.Array) -> Times | None:
    """Times of one form: `2025-10-09T09:00:00`, three or six digits of a fraction, `Z` or an offset."""
    form = _FORMS.get(letters.shape[1])
    if form is None or (letters < form[0]).any() or (letters > form[1]).any():
        return None
    try:  # refuses hour 24 and second 60, about which the grammar knows more
        instants = pc.cast(values, pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return None
    numbers: Times = instants.cast(pa.int64()).to_numpy(zero_copy_only=False) // 1000
    return numbers


def _form(text: bytes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Lowest and highest letter at each place: `d` is a digit, `s` a sign."""
    low, high = (np.frombuffer(text.translate(bytes.maketrans(b"ds", ends)), np.uint8) for ends in (b"0+", b"9-"))
    return low, high


_FORMS = {
    len(form): _form(form)
    for form in (
        b"dddd-dd-ddTdd:dd:dd" + fraction + zone
        for fraction in (b"", b".ddd", b".dddddd")
        for zone in (b"Z", b"sdd:dd")
    )
}
"""Forms of times by length."""


def _one_by_one(values: pa.Array) -> Times:
    return np.array([_single(value) for value in values.to_pylist()], dtype=np.int64)


def _single(value: object) -> int:
    try:
        return (instant(value, "time") - _EPOCH) // _MILLISECOND
    except Refused:
        return NO_TIME


# --- shapes


def _shapes(shared: dict[str, Column], passes: Flags, validator: Validator) -> tuple[list[Event], Places]:
    """The prototypes of the shared fields and the place of each event's one, `NO_SHAPE` where it is not ordinary."""
    among = np.flatnonzero(passes)
    combined = np.zeros(len(among), dtype=np.int64)
    most = 1
    values: dict[str, tuple[list[object], npt.NDArray[np.int64]]] = {}
    for name, column in shared.items():
        encoded = column.values.dictionary_encode("encode")
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)[among]
        values[name] = (encoded.dictionary.to_pylist(), codes)
        size = len(encoded.dictionary)
        if size == 1:
            continue
        if most > _MOST_COMBINATIONS:
            combined = np.unique(combined, return_inverse=True)[1].astype(np.int64)
            most = len(among)
        combined = combined * size + codes
        most *= size
    _, firsts, which = np.unique(combined, return_index=True, return_inverse=True)
    prototypes: list[Event] = []
    places = np.full(len(firsts), NO_SHAPE, dtype=np.int32)
    for number, first in enumerate(firsts.tolist()):
        fields = {name: known[codes[first]] for name, (known, codes) in values.items()}
        with contextlib.suppress(Refused):
            shape = validator.shape({name: value for name, value in fields.items() if value is not None})
            if not shape.ignored and shape.event.type != MERGE_TYPE:
                places[number] = len(prototypes)
                prototypes.append(shape.event)
    found = np.full(len(passes), NO_SHAPE, dtype=np.int32)
    found[among] = places[which]
    return prototypes, found
