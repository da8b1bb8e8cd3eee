"""Columns of the engine's tables as they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

_TEXT = pa.string()
_INSTANT = pa.timestamp("ms", "UTC")
_KEY = pa.binary(16)

TABLES: dict[str, dict[str, pa.DataType]] = {
    "events": {
        "workspace_id": _TEXT, "campaign_id": _TEXT, "type": _TEXT, "ts": _INSTANT, "event_key": _KEY,
        "message_key": _KEY, "sequence": pa.uint64(), "received_at": _INSTANT, "channel": _TEXT, "platform": _TEXT,
        "locale": _TEXT, "variation": _TEXT, "instance_id": _TEXT, "user_id": _TEXT, "device_id": _TEXT,
        "reason": _TEXT, "reason_detail": _TEXT, "step": _TEXT, "machine": pa.bool_(), "name": _TEXT, "goal": _TEXT,
        "attribution": _TEXT, "revenue": pa.decimal128(18, 4), "currency": _TEXT, "provider": _TEXT,
        "message_id": _TEXT, "transport": _TEXT, "source": _TEXT, "device_platform": _TEXT, "flow_id": _TEXT,
        "link": _TEXT, "link_id": _TEXT, "attributes": _TEXT, "event_id": _TEXT,
    },
    "snapshots": {
        "workspace_id": _TEXT, "campaign_id": _TEXT, "date": pa.date32(), "platform": _TEXT, "locale": _TEXT,
        "variation": _TEXT, "kind": _TEXT, "key": _TEXT, "goal": _TEXT, "attribution": _TEXT, "mode": _TEXT,
        "as_of": _INSTANT, "total": pa.uint64(), "unique": pa.uint64(), "revenue": pa.decimal128(18, 4),
        "snapshot_id": _TEXT, "snapshot_key": _KEY, "sequence": pa.uint64(), "received_at": _INSTANT,
    },
    "user_aliases": {
        "workspace_id": _TEXT, "user_id": _TEXT, "to_user_id": _TEXT, "sequence": pa.uint64(),
    },
}  # fmt: skip
"""Column types per table; 128-bit keys are little-endian bytes."""

OPTIONAL = frozenset({
    "message_key", "locale", "variation", "device_id", "reason", "reason_detail", "step", "machine", "goal",
    "attribution", "revenue", "currency", "provider", "message_id", "transport", "source", "device_platform", "flow_id",
    "link", "link_id", "attributes",
})  # fmt: skip
"""Columns of events that need not be written where no row has anything in them; each costs as much as any other. Those
that say which campaign, user and day a row is about are always there."""


def arrow_table(table: str, columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """Columns of equal length as an Arrow table of the table's types.

    Raises:
        KeyError: a column the table does not have.
    """
    types = TABLES[table]
    return pa.table({name: _array(values, types[name]) for name, values in columns.items()})


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):  # made elsewhere, in the type of the column
        return values if values.type == kind else values.cast(kind)
    first = values[0] if values else None
    if kind == _KEY and isinstance(first, int):
        values = [value.to_bytes(16, "little") for value in values if isinstance(value, int)]
    elif len(values) > 1 and first == values[-1] and isinstance(first, str) and values.count(first) == len(values):
        # Most columns of a batch hold one value throughout; repeating it in C is ten times cheaper.
        return pa.repeat(pa.scalar(first, kind), len(values))
    return pa.array(values, kind)
