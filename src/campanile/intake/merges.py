"""Merges of users: two ids turn out to be one person's (docs/decisions/0010).

A merge is an event of the log, and a change to it: the rows of the one id are copied under the other one, so that all
of a person's events lie on one shard, and the originals are hidden. Everything happens between two groups of events:
the metadata database is told that a merge begins, the event is stored, the aliases are written to every node, the rows
are copied, and then one number in the metadata database shows all of it at once. After a crash the steps are taken
again under the same sequence; none of them counts twice. Later events of the merged id are stored under the other one
from the start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa

from campanile.errors import Problem
from campanile.intake.batch import Batch, offsets
from campanile.intake.event import Event
from campanile.intake.fields import MERGE_TYPE
from campanile.intake.known_ids import Flags

_TARGET = "to_user_id"


class Merge(NamedTuple):
    """One merge as it stands in the log."""

    sequence: int
    event_key: int
    user_id: str
    to_user_id: str


class Alias(NamedTuple):
    """A user who was merged into another one, and when; complete once the mark of the workspace is as high."""

    sequence: int
    user_id: str
    to_user_id: str


class Mark(NamedTuple):
    """How far the merges of a workspace have come."""

    through: int | None = None
    """Sequence of the last complete merge; 0 while the first one is made, None before."""
    begun: bool = False
    """Whether somebody set out to store a merge and did not say since that it is complete."""


class MergeLog(Protocol):
    """The part of the log that merges need."""

    def merges(self, workspace: str) -> list[Merge]: ...

    def aliases(self, workspace: str, after: int) -> list[Alias]: ...

    def stragglers(self, workspace: str) -> list[str]: ...

    def copy_users(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None: ...

    def append_aliases(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None: ...


class MergeMarks(Protocol):
    """The marks of all workspaces, where every process finds them."""

    def read(self, workspace: str) -> Mark: ...

    def write(self, workspace: str, mark: Mark) -> None: ...


def target_of(event: Event) -> str:
    """The id that the event's user is merged into."""
    target: str = msgspec.json.decode(event.attributes)[_TARGET]
    return target


class Aliases:
    """Who is whom in one workspace. `over` others, it adds to them without changing them."""

    def __init__(self, over: Aliases | None = None) -> None:
        self._to: dict[str, str] = {}
        self._over = over

    def __len__(self) -> int:
        return len(self._to) + (len(self._over) if self._over is not None else 0)

    def canonical(self, user: str) -> str:
        """The id under which the events of a user are stored."""
        while (after := self._after(user)) is not None:
            user = after
        return user

    def closes_circle(self, user: str, to_user: str) -> bool:
        """Whether a merge would lead back to its own user."""
        return self.canonical(to_user) == user

    def add(self, moves: Mapping[str, str]) -> None:
        self._to.update(moves)

    def absorb(self, layer: Aliases) -> None:
        """Make what a layer over this one adds its own."""
        self._to.update(layer._to)

    def moves(self, merges: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Ids that merges take away, each with the id it ends up with; the merges are in effect afterwards."""
        taken: list[str] = []
        for user, to_user in merges:
            source, target = self.canonical(user), self.canonical(to_user)
            if source != target:
                self._to[source] = target
                taken.append(source)
        return {user: self.canonical(user) for user in taken}

    def _after(self, user: str) -> str | None:
        found = self._to.get(user)
        return self._over._after(user) if found is None and self._over is not None else found


class Merges:
    """The merges of one process. Its methods belong to the committer's thread, with the workspace's lock held."""

    def __init__(
        self,
        log: MergeLog,
        marks: MergeMarks,
        notice: Callable[[str, int], None],
        next_sequence: Callable[[Iterable[str]], int],
        *,
        followed: bool = False,
    ) -> None:
        """
        Args:
            notice: is told about workspaces with merges and how far they have come.
            next_sequence: gives a number above all that are stored for some workspaces.
            followed: other processes merge as well.
        """
        self._log = log
        self._marks = marks
        self._notice = notice
        self._next_sequence = next_sequence
        self._followed = followed
        self._seen: dict[str, Mark] = {}
        """Marks as this process last saw or wrote them."""
        self._settled: set[str] = set()
        """Workspaces in which nothing is left to do."""
        self._aliases: dict[str, Aliases] = defaultdict(Aliases)

    def follow(self, workspace: str) -> None:
        """Know every merge of a workspace, and finish what was begun.

        Raises:
            EngineUnavailable: the log cannot be read, or a merge cannot be finished now.
            Unavailable: the metadata database cannot be reached.
        """
        settled = workspace in self._settled
        if settled and not self._followed:
            return
        mark = self._marks.read(workspace)
        through = self._through(workspace)
        if mark.through is not None and mark.through != through:
            complete = [alias for alias in self._log.aliases(workspace, through) if alias.sequence <= mark.through]
            self._aliases[workspace].add({alias.user_id: alias.to_user_id for alias in complete})
            self._notice(workspace, mark.through)
        self._seen[workspace] = mark
        if mark.begun or (mark.through is not None and not settled):
            self._settled.discard(workspace)
            self._finish(workspace)
        self._settled.add(workspace)

    def _finish(self, workspace: str) -> None:
        """Complete merges that are stored and not in effect: whoever began them did not come to their end."""
        begun = self._log.aliases(workspace, self._through(workspace))
        steps = [(alias.user_id, alias.to_user_id) for alias in sorted(begun)]
        stored = [(merge.user_id, merge.to_user_id) for merge in sorted(self._log.merges(workspace))]
        moves = Aliases(self._aliases[workspace]).moves(steps + stored)
        if moves:
            self._begin(workspace)
            # What was taken in hand before goes on under its sequence: some of the copies may have been made.
            sequence = max((alias.sequence for alias in begun), default=0)
            self.complete(workspace, moves, sequence or self._next_sequence([workspace]))
        elif self._seen[workspace].begun:
            self._write(workspace, Mark(self._through(workspace)))
        self._gather_stragglers(workspace)

    def _gather_stragglers(self, workspace: str) -> None:
        """Take along events that came in under an id after it had been merged, from a writer who did not know."""
        aliases = self._aliases[workspace]
        if not aliases:
            return
        users = self._log.stragglers(workspace)
        moves = {user: target for user in users if (target := aliases.canonical(user)) != user}
        if moves:
            sequence = self._next_sequence([workspace])
            self._log.copy_users(workspace, moves, sequence)
            self._write(workspace, Mark(sequence))

    # --- groups

    def finish_repeated(self, group: Sequence[Batch], known: Flags) -> None:
        """Merges that are stored already are in effect when they are acknowledged again.

        Raises:
            EngineUnavailable: one cannot be finished now. Unavailable: the metadata database cannot be reached.
        """
        for batch, rows in offsets(group):
            aliases = self._aliases[batch.workspace.id]
            if any(
                aliases.canonical(merge.user_id) != aliases.canonical(merge.to_user_id)
                for merge in _merges_of(batch, rows, known)
            ):
                self._finish(batch.workspace.id)

    def refusals(
        self, group: Sequence[Batch], open_: Flags, refused: Mapping[int, Problem]
    ) -> Iterator[tuple[int, Problem]]:
        """Rows of merges that would lead back to their own user, in the order of the group.

        Args:
            open_: rows that may be stored. refused: rows that may not.
        """
        tried: dict[str, Aliases] = {}
        for batch, rows in offsets(group):
            if not batch.merges:
                continue
            workspace = batch.workspace.id
            before = tried.setdefault(workspace, Aliases(self._aliases[workspace]))
            attempt = Aliases(before)
            failed = any(row in refused for row in range(rows.start, rows.stop))
            for merge in _merges_of(batch, rows, open_):
                if attempt.closes_circle(merge.user_id, merge.to_user_id):
                    failed = True
                    yield merge.row, Problem("merge_circle", "to_user_id has been merged into from_user_id", _TARGET)
                else:
                    attempt.moves([(merge.user_id, merge.to_user_id)])
            if not (batch.atomic and failed):
                before.absorb(attempt)

    def begin(self, group: Sequence[Batch], kept: Flags) -> dict[str, dict[str, str]]:
        """What the kept merges of a group take away, per workspace. They are not in effect yet.

        Raises:
            Unavailable: the metadata database cannot be reached.
        """
        found: dict[str, list[_Row]] = {}
        for batch, rows in offsets(group):
            if merges := list(_merges_of(batch, rows, kept)):
                found.setdefault(batch.workspace.id, []).extend(merges)
        moves = {}
        for workspace, merges in found.items():
            self._begin(workspace)
            # In an order that does not depend on the group: whoever finishes this must come to the same end.
            ordered = sorted(merges, key=lambda merge: merge.event_key)
            moves[workspace] = Aliases(self._aliases[workspace]).moves((m.user_id, m.to_user_id) for m in ordered)
        return moves

    def routed(self, columns: dict[str, Any], moves: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """Columns of a group with the events of merged ids, and of those that `moves` take away, under their new id."""
        written = columns["workspace_id"].unique().to_pylist()
        concerned = {name for name in written if self._aliases.get(name) or moves.get(name)}
        if not concerned:
            return columns
        users = [
            moves.get(workspace, {}).get(target := self._aliases[workspace].canonical(user), target)
            if workspace in concerned and kind != MERGE_TYPE
            else user
            for workspace, user, kind in zip(
                columns["workspace_id"].to_pylist(),
                columns["user_id"].to_pylist(),
                columns["type"].to_pylist(),
                strict=True,
            )
        ]
        return {**columns, "user_id": pa.chunked_array([pa.array(users, pa.string())])}

    def complete(self, workspace: str, moves: Mapping[str, str], sequence: int) -> None:
        """Put a stored merge into effect.

        Raises:
            EngineUnavailable, Unavailable: it is not in effect; it will be finished before anything else is stored.
        """
        if moves:
            # The aliases first: they tell whoever has to finish this under which sequence it was begun.
            self._log.append_aliases(workspace, moves, sequence)
            self._log.copy_users(workspace, moves, sequence)
        self._write(workspace, Mark(sequence))
        self._aliases[workspace].add(moves)
        self._settled.add(workspace)

    def _begin(self, workspace: str) -> None:
        """From now on questions look out for copies, and whoever writes next looks for merges to finish."""
        self._settled.discard(workspace)
        self._write(workspace, Mark(self._through(workspace), begun=True))

    def _through(self, workspace: str) -> int:
        return self._seen.get(workspace, Mark()).through or 0

    def _write(self, workspace: str, mark: Mark) -> None:
        self._marks.write(workspace, mark)
        self._seen[workspace] = mark
        if mark.through is not None:
            self._notice(workspace, mark.through)


class _Row(NamedTuple):
    """A merge among the rows of a group."""

    row: int
    event_key: int
    user_id: str
    to_user_id: str


def _merges_of(batch: Batch, rows: slice, among: Flags) -> Iterator[_Row]:
    for position in batch.merges:
        if among[rows.start + position]:
            event = batch.event(position)
            low, high = batch.event_keys[position].tolist()
            yield _Row(rows.start + position, low | high << 64, event.user_id, target_of(event))
