"""What commands print: answers on standard output, remarks on standard error. Colours follow NO_COLOR."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDE = 200
"""Columns assumed where output goes to a file or a program: tables are not squeezed there."""


def stdout() -> Console:
    """The console of answers; texts are printed as they are, without markup."""
    width = None if sys.stdout.isatty() else WIDE
    return Console(markup=False, highlight=False, emoji=False, width=width)


def stderr() -> Console:
    """The console of remarks and progress."""
    width = None if sys.stderr.isatty() else WIDE
    return Console(stderr=True, markup=False, highlight=False, emoji=False, width=width)


def print_json(value: Any) -> None:
    """One JSON value on one line, for programs."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> Table:
    """A plain table; columns whose cells are all numbers stand to the right."""
    drawn = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for index, name in enumerate(columns):
        cells = [row[index] for row in rows]
        numbers = bool(cells) and all(isinstance(cell, int | float) or cell == "" for cell in cells)
        width = max((len(_cell(cell)) for cell in cells), default=0) if numbers else None
        drawn.add_column(name, justify="right" if numbers else "left", overflow="fold", min_width=width)
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    return drawn


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)
