"""Answers of the engine about rows, by columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campanile.reports.table import Integers


class Texts(NamedTuple):
    """A column of texts, each different one once."""

    codes: Integers
    known: Sequence[str]


class Answer(NamedTuple):
    """What the engine counted for places: (target number, day, platform, locale, variation) as in `Place`."""

    targets: Integers
    days: Integers
    platforms: Texts
    locales: Texts
    variations: Texts
    things: Texts
    """What was counted: a reason, a step, … as text."""
    totals: Integers
    uniques: Integers

    @classmethod
    def of(cls, table: pa.Table, thing: str, level_bits: int) -> Answer:
        """Args:
        table: an answer with the columns slot, day, `thing`, total, and perhaps keys of places and uniques.
        """
        totals = integers(table, "total")
        return cls(
            targets=integers(table, "slot") >> level_bits,
            days=integers(table, "day"),
            platforms=_texts(table, "platform_key"),
            locales=_texts(table, "locale_key"),
            variations=_texts(table, "variation_key"),
            things=_texts(table, thing),
            totals=totals,
            uniques=integers(table, "uniques") if "uniques" in table.column_names else np.zeros_like(totals),
        )


def integers(table: pa.Table, name: str) -> Integers:
    """A column of integers."""
    found: Integers = table[name].to_numpy().astype(np.int64)
    return found


def _texts(table: pa.Table, name: str) -> Texts:
    if name not in table.column_names:
        return Texts(np.zeros(table.num_rows, np.int64), ("",))
    encoded = pc.dictionary_encode(table[name]).combine_chunks()
    known = encoded.dictionary.cast(pa.string())
    return Texts(encoded.indices.to_numpy().astype(np.int64), known.to_pylist() or ("",))
