"""The events of one request, prepared for the store: keys and columns.

Preparing is a large part of the work per event. It happens where the request is read, at the same time as groups are
written, and an event that cannot be written fails its own request only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campanile.engine.tables import arrow_table
from campanile.intake.event import EVENT_COLUMNS, Event
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


def mention_of(event: Event) -> Mention:
    """What the event says about its campaign."""
    return Mention._make(_said(event))


class Batch:
    """Validated events of one request, at least one. Can be sent from one process to another."""

    def __init__(
        self, workspace: Workspace, events: Sequence[Event], received_at: datetime, *, atomic: bool = False
    ) -> None:
        self.workspace = workspace
        self.received_at = received_at
        self.atomic = atomic
        """Whether one refused event refuses all of them."""
        self.event_keys: Keys = pack(event_keys(events))
        self.message_keys: Keys = pack(message_keys(events))
        self.has_message: Flags = np.any(self.message_keys, axis=1)
        self.known_as: Keys = salted(self.event_keys, workspace_salt(workspace.id))
        """Event keys as they are known in this process, over all workspaces."""
        self.messages_known_as: Keys = salted(self.message_keys, message_salt(workspace.id))
        self.times = _milliseconds(events)
        """When each event happened, UTC epoch milliseconds."""
        self.sends: Flags = np.fromiter((event.type == "sent" for event in events), np.bool_, len(events))
        self.mentions = _mentions(events)
        """What is said about campaigns → positions of the events that say it."""
        self.columns: pa.Table = self._table(events, self.event_keys, self.message_keys)

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
        changed = self._table(list(events.values()), self.event_keys[positions], self.message_keys[positions])
        rows = np.arange(len(self))
        rows[positions] = np.arange(len(self), len(self) + len(events))
        self.columns = pa.concat_tables([self.columns, changed]).take(pa.array(rows))

    def _table(self, events: Sequence[Event], event_keys: Keys, message_keys: Keys) -> pa.Table:
        columns: dict[str, Sequence[Any]] = {name: list(map(get, events)) for name, get in _GETTERS.items()}
        columns["ts"] = pa.chunked_array([pa.array(_milliseconds(events), pa.timestamp("ms", "UTC"))])
        columns["event_key"] = _key_column(event_keys)
        columns["message_key"] = _key_column(message_keys)
        columns["workspace_id"] = [self.workspace.id] * len(events)
        columns["received_at"] = [round(self.received_at.timestamp() * 1000)] * len(events)
        return arrow_table("events", columns)


def _milliseconds(events: Sequence[Event]) -> npt.NDArray[np.int64]:
    """Times of the events. Arrow takes ten times longer for datetime objects than for these."""
    return np.array([round(event.ts.timestamp() * 1000) for event in events], dtype=np.int64)


def _mentions(events: Sequence[Event]) -> dict[Mention, list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for position, said in enumerate(map(_said, events)):
        places = found.get(said)
        if places is None:
            found[said] = [position]
        else:
            places.append(position)
    return {Mention._make(said): places for said, places in found.items() if said[0]}


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
