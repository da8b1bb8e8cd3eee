"""The events of one request, prepared for the store: keys and columns.

Preparing is a large part of the work per event. It happens where the request is read, at the same time as groups are
written, and an event that cannot be written fails its own request only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campanile.engine.tables import OPTIONAL, TABLES
from campanile.intake.bulk import Places, PlainEvents, Times
from campanile.intake.event import EVENT_COLUMNS, Event
from campanile.intake.fields import MERGE_TYPE
from campanile.intake.keys import ONCE_PER_MESSAGE, Keys, event_keys, event_keys_of, message_keys, message_keys_of, pack
from campanile.intake.known_ids import Flags, message_salt, salted, workspace_salt
from campanile.workspaces.schemas import Workspace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GETTERS = {name: attrgetter(name) for name in EVENT_COLUMNS if name != "ts"}
NO_KEY = bytes(16)
STORED = [name for name in TABLES["events"] if name != "sequence"]
"""Columns of the log that a batch knows before it is stored."""


class Mention(NamedTuple):
    """What an event says about its campaign."""

    campaign_id: str
    channel: str
    parent_id: str
    platform: str
    locale: str
    variation: str
    name: str
    delivery_type: str
    flow_id: str
    flow_name: str

    def hints(self) -> dict[str, str]:
        """The members that are not stored with an event, by their names there."""
        return {
            "parent_campaign_id": self.parent_id,
            "campaign_name": self.name,
            "delivery_type": self.delivery_type,
            "flow_name": self.flow_name,
        }


_said = attrgetter(
    "campaign_id", "channel", "parent_campaign_id", "platform", "locale", "variation", "campaign_name",
    "delivery_type", "flow_id", "flow_name",
)  # fmt: skip


MESSAGE_PARTS = ("provider", "message_id", "transport", "user_id", "device_id", "type")
"""Fields that make a natural key, in the order in which they do."""
_message = attrgetter(*MESSAGE_PARTS)


def mention_of(event: Event) -> Mention:
    """What the event says about its campaign."""
    return Mention._make(_said(event))


class Batch:
    """Validated events of one request, at least one. Can be sent from one process to another."""

    def __init__(
        self,
        workspace: Workspace,
        events: Sequence[Event],
        received_at: datetime,
        *,
        plain: PlainEvents | None = None,
        atomic: bool = False,
        implied_attempts: bool = False,
    ) -> None:
        self.workspace = workspace
        self.received_at = received_at
        self.atomic = atomic
        """Whether one refused event refuses all of them."""
        self.implied_attempts = implied_attempts
        """Whether campaigns that these events register do not report attempts."""
        self.merges = [position for position, event in enumerate(events) if event.type == MERGE_TYPE]
        """Positions of merges of users."""
        self._parts = [_of_events(events)] if events else []
        if plain is not None:
            self._parts.append(_of_plain_events(plain))

    def __getstate__(self) -> dict[str, Any]:
        # What follows from the parts is several times larger than they are.
        names = ("workspace", "received_at", "atomic", "implied_attempts", "merges", "_parts")
        return {name: getattr(self, name) for name in names}

    def assemble(self) -> None:
        """Work out everything that will be asked for, where that does not hold up others."""
        for name in ("event_keys", "has_message", "known_as", "messages_known_as", "sends", "mentions"):
            getattr(self, name)

    @cached_property
    def event_keys(self) -> Keys:
        return np.concatenate([part.event_keys for part in self._parts])

    @cached_property
    def message_keys(self) -> Keys:
        """Natural keys; zero where there is none."""
        return np.concatenate([part.message_keys for part in self._parts])

    @cached_property
    def has_message(self) -> Flags:
        """Which events have a natural key."""
        flags: Flags = (self.message_keys[:, 0] | self.message_keys[:, 1]) != 0
        return flags

    @cached_property
    def known_as(self) -> Keys:
        """Event keys as they are known in this process, over all workspaces."""
        return salted(self.event_keys, workspace_salt(self.workspace.id))

    @cached_property
    def messages_known_as(self) -> Keys:
        return salted(self.message_keys, message_salt(self.workspace.id))

    @cached_property
    def times(self) -> Times:
        """When each event happened, UTC epoch milliseconds."""
        return np.concatenate([part.times for part in self._parts])

    @cached_property
    def sends(self) -> Flags:
        return np.concatenate([part.sends for part in self._parts])

    @cached_property
    def mentions(self) -> dict[Mention, npt.NDArray[np.int64]]:
        """What is said about campaigns → positions of the events that say it."""
        return _mentions(self._parts)

    @cached_property
    def columns(self) -> pa.Table:
        """The events as they are stored, but for their sequence."""
        return pa.table({name: stacked(name, list(self.pieces(name))) for name in STORED})

    def pieces(self, name: str) -> Iterator[pa.Array | Constant]:
        """A column of the log, in pieces."""
        if "columns" in self.__dict__:  # where some events have been replaced
            yield from self.columns[name].chunks
            return
        for part in self._parts:
            yield self._piece(name, part)

    def __len__(self) -> int:
        return sum(len(part.times) for part in self._parts)

    def event(self, position: int, mention: Mention | None = None) -> Event:
        """The event as it is stored; with `mention`, also what it says about its campaign beyond that."""
        fields: dict[str, Any] = {name: self.columns[name][position].as_py() for name in _GETTERS}
        if mention is not None:
            fields |= mention.hints()
        return Event(ts=_EPOCH + timedelta(milliseconds=int(self.times[position])), **fields)

    def event_id(self, position: int) -> str:
        name: str = self.columns["event_id"][position].as_py()
        return name

    def replace(self, events: Mapping[int, Event]) -> None:
        """Exchange events for completed versions of themselves: identity and time stay."""
        positions = np.fromiter(events, np.int64, len(events))
        part = _of_events(list(events.values()))
        part = part._replace(event_keys=self.event_keys[positions], message_keys=self.message_keys[positions])
        rows = np.arange(len(self))
        rows[positions] = np.arange(len(self), len(self) + len(events))
        exchanged = pa.table({name: stacked(name, [self._piece(name, part)]) for name in STORED})
        self.columns = pa.concat_tables([self.columns, exchanged]).take(pa.array(rows))

    def _piece(self, name: str, part: _Part) -> pa.Array | Constant:
        size = len(part.times)
        if name == "workspace_id":
            return Constant(self.workspace.id, size)
        if name == "received_at":
            return Constant(round(self.received_at.timestamp() * 1000), size)
        kind = TABLES["events"][name]
        if name == "ts":
            return pa.array(part.times, kind)
        if name == "message_key" and not part.message_keys.any():
            return Constant(NO_KEY, size)
        if name in ("event_key", "message_key"):
            keys = part.event_keys if name == "event_key" else part.message_keys
            return pa.Array.from_buffers(kind, size, [None, pa.py_buffer(keys.tobytes())])
        if name in part.own:
            return part.own[name]
        values = part.shared[name]
        if values.count(values[0]) == len(values):
            return Constant(values[0], size)
        return pa.array(values, kind).take(pa.array(part.shapes))


class Constant(NamedTuple):
    """Part of a column that holds one value throughout, as most columns do."""

    value: Any
    size: int


class _Part(NamedTuple):
    """Events prepared in one go."""

    event_keys: Keys
    message_keys: Keys
    times: Times
    sends: Flags
    mentions: list[Mention]
    shapes: Places
    """For each event the place of its mention, and of its values in `shared`."""
    shared: dict[str, list[Any]]
    own: dict[str, pa.Array]


def _of_events(events: Sequence[Event]) -> _Part:
    mentions: dict[tuple[str, ...], int] = {}
    shapes = [mentions.setdefault(said, len(mentions)) for said in map(_said, events)]
    return _Part(
        event_keys=pack(event_keys(event.event_id for event in events)),
        message_keys=pack(message_keys(map(_message, events))),
        # Arrow takes ten times longer for datetime objects than for these.
        times=np.array([round(event.ts.timestamp() * 1000) for event in events], dtype=np.int64),
        sends=np.fromiter((event.type == "sent" for event in events), np.bool_, len(events)),
        mentions=[Mention._make(said) for said in mentions],
        shapes=np.array(shapes, dtype=np.int32),
        shared={},
        own={name: pa.array(list(map(get, events)), TABLES["events"][name]) for name, get in _GETTERS.items()},
    )


def _of_plain_events(group: PlainEvents) -> _Part:
    """The same, without going through every field of every event."""
    prototypes, shapes = group.prototypes, group.shapes
    return _Part(
        event_keys=pack(event_keys_of(group.own["event_id"])),
        message_keys=_message_keys(group),
        times=group.times,
        sends=np.array([prototype.type == "sent" for prototype in prototypes])[shapes],
        mentions=list(map(mention_of, prototypes)),
        shapes=shapes,
        shared={name: list(map(get, prototypes)) for name, get in _GETTERS.items() if name not in group.own},
        own=group.own,
    )


def _message_keys(group: PlainEvents) -> Keys:
    keys: Keys = np.zeros((len(group.shapes), 2), dtype=np.uint64)
    once = [bool(prototype.provider) and prototype.type in ONCE_PER_MESSAGE for prototype in group.prototypes]
    if "message_id" not in group.own or not any(once):
        return keys
    named = pc.greater(pc.binary_length(group.own["message_id"]), 0).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(np.array(once)[group.shapes] & named)
    takes, shapes = pa.array(rows), pa.array(group.shapes[rows])
    columns = [
        group.own[name].take(takes)
        if name in group.own
        else pa.array([getattr(p, name) for p in group.prototypes]).take(shapes)
        for name in MESSAGE_PARTS
    ]
    if len(rows):
        keys[rows] = pack(message_keys_of(columns))
    return keys


def _mentions(parts: Sequence[_Part]) -> dict[Mention, npt.NDArray[np.int64]]:
    found: dict[Mention, list[npt.NDArray[np.int64]]] = defaultdict(list)
    start = 0
    for part in parts:
        order = np.argsort(part.shapes, kind="stable")
        places = np.split(order + start, np.searchsorted(part.shapes[order], np.arange(1, len(part.mentions))))
        for mention, positions in zip(part.mentions, places, strict=True):
            if mention.campaign_id and len(positions):
                found[mention].append(positions)
        start += len(part.times)
    return {mention: np.sort(np.concatenate(positions)) for mention, positions in found.items()}


def stacked(name: str, pieces: Sequence[pa.Array | Constant]) -> pa.ChunkedArray:
    """The pieces of a column as one."""
    kind = TABLES["events"][name]
    constants = {piece.value for piece in pieces if isinstance(piece, Constant)}
    if len(constants) == 1 and all(isinstance(piece, Constant) for piece in pieces):
        pieces = [Constant(constants.pop(), sum(piece.size for piece in pieces if isinstance(piece, Constant)))]
    return pa.chunked_array(
        [
            pa.repeat(pa.scalar(piece.value, kind), piece.size) if isinstance(piece, Constant) else piece
            for piece in pieces
        ]
    )


def _empty(pieces: Sequence[pa.Array | Constant]) -> bool:
    """Whether a column certainly has nothing in it. A revenue of 0 is something."""
    return all(
        isinstance(piece, Constant) and (piece.value is None or piece.value is False or piece.value in ("", NO_KEY))
        for piece in pieces
    )


def load_libraries() -> None:
    """Let Arrow import what it imports with its first array; it would take the first request a second."""
    pa.array([0])


def joined(batches: Sequence[Batch], keep: Flags, sequence: int) -> dict[str, Any]:
    """The kept rows of all batches, as columns for `Engine.append`."""
    pieces = {name: [piece for batch in batches for piece in batch.pieces(name)] for name in STORED}
    columns = {name: stacked(name, found) for name, found in pieces.items() if not (name in OPTIONAL and _empty(found))}
    if not keep.all():
        flags = pa.array(keep)
        columns = {name: column.filter(flags) for name, column in columns.items()}
    return {**columns, "sequence": pa.chunked_array([pa.repeat(pa.scalar(sequence, pa.uint64()), int(keep.sum()))])}


def offsets(batches: Sequence[Batch]) -> Iterator[tuple[Batch, slice]]:
    """Each batch with its place among the rows of the group."""
    start = 0
    for batch in batches:
        yield batch, slice(start, start + len(batch))
        start += len(batch)
