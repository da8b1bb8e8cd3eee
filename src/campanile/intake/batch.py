"""The events of one request, prepared for the store: keys and columns.

Preparing is the larger part of the work per event. It happens in the request's own thread, so that it overlaps with
the write of the group before, and an event that cannot be written fails its own request only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from campanile.engine.tables import arrow_table
from campanile.intake.event import EVENT_COLUMNS, Event
from campanile.intake.keys import Keys, event_keys, message_keys, pack
from campanile.intake.known_ids import Flags, message_salt, salted, workspace_salt
from campanile.workspaces.schemas import Workspace

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


_said = attrgetter(
    "campaign_id", "channel", "parent_campaign_id", "platform", "locale", "variation", "campaign_name",
    "delivery_type", "flow_id", "flow_name",
)  # fmt: skip


def mention_of(event: Event) -> Mention:
    """What the event says about its campaign."""
    return Mention._make(_said(event))


class Batch:
    """Validated events of one request, at least one."""

    def __init__(
        self, workspace: Workspace, events: Sequence[Event], received_at: datetime, *, atomic: bool = False
    ) -> None:
        self.workspace = workspace
        self.events: list[Event] = list(events)
        self.received_at = received_at
        self.atomic = atomic
        """Whether one refused event refuses all of them."""
        self.event_keys: Keys = pack(event_keys(self.events))
        self.message_keys: Keys = pack(message_keys(self.events))
        self.has_message: Flags = np.any(self.message_keys, axis=1)
        self.known_as: Keys = salted(self.event_keys, workspace_salt(workspace.id))
        """Event keys as they are known in this process, over all workspaces."""
        self.messages_known_as: Keys = salted(self.message_keys, message_salt(workspace.id))
        # Arrow takes ten times longer for datetime objects than for the milliseconds they stand for.
        self.times = np.array([round(event.ts.timestamp() * 1000) for event in self.events], dtype=np.int64)
        """When each event happened, UTC epoch milliseconds."""
        self.sends: Flags = np.fromiter((event.type == "sent" for event in self.events), np.bool_, len(self.events))
        self.mentions = _mentions(self.events)
        """What is said about campaigns → positions of the events that say it."""
        self.columns: pa.Table = self._table()

    def __len__(self) -> int:
        return len(self.events)

    def replace(self, events: Mapping[int, Event]) -> None:
        """Exchange events for completed versions of themselves; identities stay."""
        for index, event in events.items():
            self.events[index] = event
        self.columns = self._table()

    def _table(self) -> pa.Table:
        size = len(self.events)
        columns: dict[str, Sequence[Any]] = {name: list(map(get, self.events)) for name, get in _GETTERS.items()}
        columns["ts"] = pa.chunked_array([pa.array(self.times, pa.timestamp("ms", "UTC"))])
        columns["event_key"] = _key_column(self.event_keys)
        columns["message_key"] = _key_column(self.message_keys)
        columns["workspace_id"] = [self.workspace.id] * size
        columns["received_at"] = [round(self.received_at.timestamp() * 1000)] * size
        return arrow_table("events", columns)


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
