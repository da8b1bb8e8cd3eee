"""What an interrupted import knows when it goes on: a small file beside the input, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from campanile.cli.importer.sources import STATE_SUFFIX, Position
from campanile.errors import InvalidInput

VERSION = 1


class Counters(msgspec.Struct, kw_only=True):
    """What became of the rows so far: rows = accepted + duplicates + rejected + skipped."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    """Left out by the mapping."""
    types: dict[str, int] = {}
    """Events that were accepted or known already, per type."""
    first: str = ""
    """Earliest time of an event that was sent."""
    last: str = ""

    def add(self, other: Counters) -> None:
        """Count what `other` counted too."""
        self.rows += other.rows
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        self.skipped += other.skipped
        for name, count in other.types.items():
            self.types[name] = self.types.get(name, 0) + count
        if other.first and (not self.first or other.first < self.first):
            self.first = other.first
        self.last = max(self.last, other.last)


class State(msgspec.Struct, kw_only=True):
    """Progress of one file: everything before `row` has been answered by the server."""

    version: int = VERSION
    fingerprint: str
    mapping: str
    """Digest of the mapping and of the workspace the events go to."""
    row: int = 0
    offset: int = 0
    counters: Counters = msgspec.field(default_factory=Counters)
    errors_bytes: int = 0
    """Length of the error file that belongs to the rows before `row`."""

    @property
    def position(self) -> Position:
        return Position(self.row, self.offset)


def state_path(file: Path) -> Path:
    return file.with_name(file.name + STATE_SUFFIX)


def load(path: Path) -> State | None:
    """The state of an interrupted import, or None if there is none.

    Raises:
        InvalidInput: the file is not a state file of this version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from error
    try:
        state = msgspec.json.decode(content, type=State)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{path} is not a state file: start over with --restart") from error
    if state.version != VERSION:
        raise InvalidInput(f"{path} was written by another version: start over with --restart")
    return state


def save(path: Path, state: State) -> None:
    """Replace the state file; after a crash at any moment it is the old one or the new one.

    Raises:
        InvalidInput: it cannot be written.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as stream:
            stream.write(msgspec.json.encode(state))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InvalidInput(f"cannot write the state file {path}: {error.strerror}") from error


def forget(path: Path) -> None:
    """Remove the state of a finished import."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
