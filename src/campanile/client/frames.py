"""Rows as frames of optional packages, which are loaded when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from campanile.client.errors import MissingPackage
from campanile.client.results import Row

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

DATES = ("start_date", "end_date")
VALUE = "value"
EXTRAS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}
"""Packages and the extras of ours that bring them."""


def to_pandas(rows: Sequence[Row]) -> pandas.DataFrame:
    """Dates as datetime64, values as float64, everything else as text."""
    package = load("pandas")
    frame = package.DataFrame(_columns(rows))
    return frame.astype({**dict.fromkeys(DATES, "datetime64[s]"), VALUE: "float64"})


def to_polars(rows: Sequence[Row]) -> polars.DataFrame:
    """Dates as Date, values as Float64, everything else as String."""
    package = load("polars")
    types = dict.fromkeys(Row._fields, package.String)
    types |= {**dict.fromkeys(DATES, package.Date), VALUE: package.Float64}
    frame: polars.DataFrame = package.DataFrame(_columns(rows), schema=types)
    return frame


def to_arrow(rows: Sequence[Row]) -> pyarrow.Table:
    """Dates as date32, values as float64, everything else as string."""
    package = load("pyarrow")
    types = {name: package.string() for name in Row._fields}
    types |= {**dict.fromkeys(DATES, package.date32()), VALUE: package.float64()}
    return package.table(_columns(rows), schema=package.schema(list(types.items())))


def _columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in Row._fields}
    columns[VALUE] = [float(value) for value in columns[VALUE]]
    return columns


def load(name: str) -> Any:
    """An optional package.

    Raises:
        MissingPackage: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingPackage(f"{name} is missing: pip install 'campanile[{EXTRAS[name]}]'") from error
