"""JSON records as columns, read all at once and as strictly as one by one (ingest specification 1.3, 7).

The reader is Arrow's. It refuses what the exact reader refuses: a key that stands twice, control characters in a text,
half characters, `NaN`, numbers and literals out of place. What it leaves open is settled here: that the text is UTF-8,
that each line is one record, and that a field which is null is the same as one that is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import json as arrow_json

from campanile.intake.records import Lines
from campanile.intake.shapes import ALWAYS_KNOWN_FIELDS
from campanile.intake.strict_json import decode_object

TEXT, NUMBER, FLAG = pa.string(), pa.int64(), pa.bool_()

_KINDS: dict[type, pa.DataType] = {str: TEXT, int: NUMBER, bool: FLAG}
_NOTHING = b"{}"
"""Stands for a record that is left out."""


class Column:
    """One field of all records. Its `values` are null where a record does not have it."""

    def __init__(self, values: pa.Array) -> None:
        self.values = values
        self.kind: pa.DataType = values.type

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which records have the field."""
        if not self.values.null_count:
            return np.ones(len(self.values), dtype=np.bool_)
        found: npt.NDArray[np.bool_] = self.values.is_valid().to_numpy(zero_copy_only=False)
        return found

    def text(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Where each text begins among the octets of all of them, with the end of the last one; and the octets."""
        values = self.values
        _, starts, octets = values.buffers()
        begins = np.frombuffer(starts, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
        everything = np.frombuffer(octets, np.uint8) if octets is not None else np.zeros(0, np.uint8)
        return begins - begins[0], everything[begins[0] : begins[-1]]


def columns_of(raws: Sequence[bytes], most_bytes: int) -> dict[str, Column] | None:
    """The records by fields, or None where they cannot be read together. They hold no line breaks.

    Some records appear without any field, though they may be valid: those longer than `most_bytes`, and where the
    values of a field differ in their type, those that are not like the first ones.
    """
    lines = raws if isinstance(raws, Lines) else Lines(b"\n".join(raws))
    if len(lines) != len(raws):
        return None
    body, sizes = lines.body, lines.ends - lines.starts
    # So no record reaches into the next line: what stands open there cannot be followed by the start of an object.
    objects = (sizes >= len(_NOTHING)) & (sizes <= most_bytes)
    firsts, lasts = lines.octets[lines.starts[objects]], lines.octets[lines.ends[objects] - 1]
    objects[objects] = (firsts == ord("{")) & (lasts == ord("}"))
    if not objects.all():
        body = _with(raws, objects)
    kinds = _kinds(raws)
    table = _read(body, kinds, len(raws))
    if table is None:
        alike = [good and _fits(raw, kinds) for good, raw in zip(objects.tolist(), raws, strict=True)]
        table = _read(_with(raws, np.array(alike)), kinds, len(raws))
    if table is None:
        return None
    # Which records name a field that only some types have, or that nobody knows, cannot be told if it may be null.
    if not ALWAYS_KNOWN_FIELDS.issuperset(table.column_names) and b"null" in body:
        return None
    columns = zip(table.column_names, table.columns, strict=True)
    return {
        name: Column(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()) for name, column in columns
    }


def _with(raws: Sequence[bytes], kept: npt.NDArray[np.bool_]) -> bytes:
    """The kept records, with nothing in the places of the others."""
    texts = list(raws)
    for place in np.flatnonzero(~kept).tolist():
        texts[place] = _NOTHING
    return b"\n".join(texts)


def _kinds(raws: Sequence[bytes]) -> dict[str, pa.DataType]:
    """What kind of values the fields have, by the first, the middle and the last record."""
    found: dict[str, pa.DataType] = {}
    for place in sorted({0, len(raws) // 2, len(raws) - 1}):
        _fits(raws[place], found)
    return found


def _fits(raw: bytes, kinds: dict[str, pa.DataType]) -> bool:
    """Whether the values of a record are plain ones of these kinds, to which it adds those of fields it names first."""
    try:
        record = decode_object(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    alike = raw.count(b'":') == len(record)
    for name, value in record.items():
        if value is not None:
            kind = _KINDS.get(type(value))
            alike &= kind is not None and kinds.setdefault(name, kind) == kind
    return alike


def _read(body: bytes, kinds: dict[str, pa.DataType], records: int) -> pa.Table | None:
    """So many records as a table, or None."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return None
    try:
        table = arrow_json.read_json(
            pa.BufferReader(body),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(body) + 1),
            parse_options=arrow_json.ParseOptions(explicit_schema=pa.schema(kinds), newlines_in_values=False),
        )
    except (pa.ArrowException, ValueError):  # the latter: a name that is no text
        return None
    return table if table.num_rows == records else None
