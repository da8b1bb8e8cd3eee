"""The events of one request, prepared for the store: keys and columns.

Preparing is a large part of the work per event. It happens where the request is read, at the same time as groups are
written, and an event that cannot be written fails its own request only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campanile.engine.tables import TABLES, arrow_table
from campanile.intake.bulk import PlainEvents, Times
from campanile.intake.event import EVENT_COLUMNS, Event
from campanile.intake.fields import MERGE_TYPE
from campanile.intake.keys import Keys, event_keys, message_keys, pack
from campanile.intake.known_ids import Flags, message_salt, salted, workspace_salt
from campanile.workspaces.schemas import Workspace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GETTERS = {name: attrgetter(name) for name in EVENT_COLUMNS if name != "ts"}


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


_message = attrgetter("provider", "message_id", "transport", "user_id", "device_id", "type")


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
        plain: Sequence[PlainEvents] = (),
        atomic: bool = False,
        implied_attempts: bool = False,
    ) -> None:
        self.workspace = workspace
        self.received_at = received_at
        self.atomic = atomic
        """Whether one refused event refuses all of them."""
        self.implied_attempts = implied_attempts
        """Whether campaigns that these events register do not report attempts."""
        parts = [_of_events(events)] if events else []
        parts.extend(_of_plain_events(group) for group in plain)
        self.event_keys: Keys = np.concatenate([part.event_keys for part in parts])
        self.message_keys: Keys = np.concatenate([part.message_keys for part in parts])
        self.has_message: Flags = np.any(self.message_keys, axis=1)
        self.known_as: Keys = salted(self.event_keys, workspace_salt(workspace.id))
        """Event keys as they are known in this process, over all workspaces."""
        self.messages_known_as: Keys = salted(self.message_keys, message_salt(workspace.id))
        self.times = np.concatenate([part.times for part in parts])
        """When each event happened, UTC epoch milliseconds."""
        self.merges = [position for position, event in enumerate(events) if event.type == MERGE_TYPE]
        """Positions of merges of users."""
        self.sends: Flags = np.concatenate([part.sends for part in parts])
        self.mentions = _mentions(parts)
        """What is said about campaigns → positions of the events that say it."""
        self.columns: pa.Table = pa.concat_tables([self._table(part) for part in parts])

    def __len__(self) -> int:
        return len(self.times)

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
        self.columns = pa.concat_tables([self.columns, self._table(part)]).take(pa.array(rows))

    def _table(self, part: _Part) -> pa.Table:
        size = len(part.times)
        return arrow_table(
            "events",
            {
                **part.columns,
                "ts": pa.chunked_array([pa.array(part.times, pa.timestamp("ms", "UTC"))]),
                "event_key": _key_column(part.event_keys),
                "message_key": _key_column(part.message_keys),
                "workspace_id": [self.workspace.id] * size,
                "received_at": [round(self.received_at.timestamp() * 1000)] * size,
            },
        )


class _Part(NamedTuple):
    """Events prepared in one go."""

    event_keys: Keys
    message_keys: Keys
    times: Times
    sends: Flags
    mentions: dict[Mention, npt.NDArray[np.int64]]
    columns: dict[str, Sequence[Any]]


def _of_events(events: Sequence[Event]) -> _Part:
    mentions: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, said in enumerate(map(_said, events)):
        mentions[said].append(position)
    return _Part(
        event_keys=pack(event_keys(event.event_id for event in events)),
        message_keys=pack(message_keys(map(_message, events))),
        # Arrow takes ten times longer for datetime objects than for these.
        times=np.array([round(event.ts.timestamp() * 1000) for event in events], dtype=np.int64),
        sends=np.fromiter((event.type == "sent" for event in events), np.bool_, len(events)),
        mentions={Mention._make(said): np.array(places) for said, places in mentions.items()},
        columns={name: list(map(get, events)) for name, get in _GETTERS.items()},
    )


def _of_plain_events(group: PlainEvents) -> _Part:
    """The same, without going through every field of every event."""
    prototypes, shapes, own = group.prototypes, group.shapes, group.own
    places = shapes.tolist()
    keys: Keys = np.zeros((len(places), 2), dtype=np.uint64)
    if "message_id" in own:
        messages = zip(
            [prototypes[place].provider for place in places],
            own["message_id"],
            [prototypes[place].transport for place in places],
            own.get("user_id") or [""] * len(places),
            own.get("device_id") or [""] * len(places),
            [prototypes[place].type for place in places],
            strict=True,
        )
        keys = pack(message_keys(messages))
    mentions: dict[Mention, list[npt.NDArray[np.int64]]] = defaultdict(list)
    for number, prototype in enumerate(prototypes):
        mentions[mention_of(prototype)].append(np.flatnonzero(shapes == number))
    takes = pa.array(shapes)
    return _Part(
        event_keys=pack(event_keys(own["event_id"])),
        message_keys=keys,
        times=group.times,
        sends=np.array([prototype.type == "sent" for prototype in prototypes])[shapes],
        mentions={mention: np.concatenate(positions) for mention, positions in mentions.items()},
        columns={
            name: own[name] if name in own else _shared_column(name, list(map(get, prototypes)), takes)
            for name, get in _GETTERS.items()
        },
    )


def _shared_column(name: str, values: list[Any], takes: pa.Array) -> pa.ChunkedArray:
    """A column whose values are those of the prototypes."""
    kind = TABLES["events"][name]
    if values.count(values[0]) == len(values):
        return pa.chunked_array([pa.repeat(pa.scalar(values[0], kind), len(takes))])
    return pa.chunked_array([pa.array(values, kind).take(takes)])


def _mentions(parts: Sequence[_Part]) -> dict[Mention, npt.NDArray[np.int64]]:
    found: dict[Mention, list[npt.NDArray[np.int64]]] = defaultdict(list)
    start = 0
    for part in parts:
        for mention, positions in part.mentions.items():
            if mention.campaign_id and len(positions):
                found[mention].append(positions + start)
        start += len(part.times)
    return {mention: np.concatenate(positions) for mention, positions in found.items()}


def _key_column(keys: Keys) -> pa.ChunkedArray:
    kind = pa.binary(16)
    return pa.chunked_array([pa.Array.from_buffers(kind, len(keys), [None, pa.py_buffer(keys.tobytes())])])


def load_libraries() -> None:
    """Let Arrow import what it imports with its first array; it would take the first request a second."""
    pa.array([0])


def joined(batches: Sequence[Batch], keep: Flags, sequence: int) -> dict[str, Any]:
    """The kept rows of all batches, as columns for `Engine.append`."""
    table = pa.concat_tables([batch.columns for batch in batches])
    if not keep.all():
        table = table.filter(pa.array(keep))
    columns = dict(zip(table.column_names, table.columns, strict=True))
    columns["sequence"] = pa.chunked_array([pa.repeat(pa.scalar(sequence, pa.uint64()), table.num_rows)])
    return columns


def offsets(batches: Sequence[Batch]) -> Iterator[tuple[Batch, slice]]:
    """Each batch with its place among the rows of the group."""
    start = 0
    for batch in batches:
        yield batch, slice(start, start + len(batch))
        start += len(batch)
