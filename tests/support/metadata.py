"""Migrated, empty metadata databases; each kind is migrated once per test process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from campanile.metadata import Metadata, migrate, open_metadata
from campanile.metadata.models import Base


def migrated(url: str) -> str:
    """The same address, its database brought up to date."""
    opened = open_metadata(url)
    migrate(opened.engine)
    opened.close()
    return url


@contextmanager
def sqlite_metadata(template: Path, folder: Path) -> Iterator[Metadata]:
    """A copy of the migrated file `template`."""
    path = folder / "metadata.db"
    shutil.copyfile(template, path)
    opened = open_metadata(f"sqlite:///{path}")
    yield opened
    opened.close()


@contextmanager
def postgres_metadata(url: str) -> Iterator[Metadata]:
    """The migrated database at `url`, emptied."""
    opened = open_metadata(url)
    with opened.begin() as connection:
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} CASCADE"))
    yield opened
    opened.close()
