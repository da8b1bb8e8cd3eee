"""Which campaigns this process has written to, so that nobody has to ask the store whether they still stand still.

Every write counts twice: when it begins and when it has ended, well or badly. Whoever notes the present moment, then
reads, knows something that holds for as long as nothing that has ended or begun since touches the same campaigns: a
write that was under way while they read ends later and is seen.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

REMEMBERED_CAMPAIGNS = 1_000_000
"""Campaigns remembered one by one, about 200 bytes each; beyond, everything counts as moved once."""


class Sight(NamedTuple):
    """What can be seen of a workspace at a moment: all that is acknowledged, and nothing will be added to it."""

    moment: int
    through: int
    """Sequence up to which everything is stored."""


class _Write(NamedTuple):
    """A write that is under way."""

    workspaces: frozenset[str] | None
    """None: all of them."""
    first: int
    """Lowest sequence; 0 where it is not known."""

    def touches(self, workspace: str) -> bool:
        return self.workspaces is None or workspace in self.workspaces


class Movements:
    """Thread-safe; `moved_since` and the like take no lock."""

    def __init__(self) -> None:
        self._moment = 0
        self._everywhere = 0
        """Moment of the last change whose extent is not known."""
        self._workspaces: dict[str, int] = {}
        """The same for one workspace."""
        self._campaigns: dict[tuple[str, ...], int] = {}
        """By (workspace, campaign), and by (workspace, '', name) for events that belong to none."""
        self._latest: dict[str, int] = {}
        """Moment of the last write to any campaign of a workspace."""
        self._disordered: dict[str, int] = {}
        """Moment of the last write to a workspace that was not above all writes before it."""
        self._begun: dict[str, int] = {}
        """Highest sequence of a workspace that was written or found."""
        self._ended: dict[str, int] = {}
        """The same of writes that have ended."""
        self._under_way: dict[object, _Write] = {}
        self._lock = threading.Lock()

    @property
    def moment(self) -> int:
        """The present moment, as `moved_since` compares with it."""
        return self._moment

    def moved_since(self, moment: int, workspace: str, campaigns: Iterable[str], names: Iterable[str] = ()) -> bool:
        """Whether one of the campaigns, or an event of one of the names that belongs to none, was written after
        `moment`."""
        known = self._campaigns  # before `_everywhere`, which is set before they are forgotten
        if self._everywhere > moment or self._workspaces.get(workspace, 0) > moment:
            return True
        return any(known.get((workspace, campaign), 0) > moment for campaign in campaigns) or any(
            known.get((workspace, "", name), 0) > moment for name in names
        )

    def touched_since(self, moment: int, workspace: str) -> bool:
        """Whether anything in a workspace was written to after `moment`."""
        return max(self._everywhere, self._workspaces.get(workspace, 0), self._latest.get(workspace, 0)) > moment

    def replaced_since(self, moment: int) -> bool:
        """Whether, after `moment`, there may have been more than additions."""
        return self._everywhere > moment

    def sight(self, workspace: str) -> Sight | None:
        """How far the log of a workspace can be read for good; None if writes overtake each other.

        What was written before this process began is only known where it was `found`.
        """
        with self._lock:
            ended = self._ended.get(workspace, 0)
            firsts = [write.first for write in self._under_way.values() if write.touches(workspace)]
            through = min(firsts) - 1 if firsts else self._begun.get(workspace, 0)
            return Sight(self._moment, through) if ended <= through else None

    def found(self, workspace: str, sequence: int) -> bool:
        """Whether a sequence found in the log was not known before: then look again."""
        with self._lock:
            if sequence <= self._begun.get(workspace, 0):
                return False
            self._begun[workspace] = self._ended[workspace] = sequence
            return True

    def ordered_since(self, moment: int, workspace: str) -> bool:
        """Whether everything that was written to a workspace after `moment` was written above what was there."""
        unordered = max(self._everywhere, self._workspaces.get(workspace, 0), self._disordered.get(workspace, 0))
        return unordered <= moment

    @contextmanager
    def writing(self, rows: pa.Table) -> Iterator[None]:
        """Around a write of rows; those that name no campaigns may touch all of their workspaces."""
        if "campaign_id" not in rows.column_names:
            with self.changing(*(name for (name,) in _distinct(rows, "workspace_id"))):
                yield
            return
        touched = _distinct(rows, "workspace_id", "campaign_id")
        if "name" in rows.column_names and any(not campaign for _, campaign in touched):
            alone = rows.filter(pc.equal(rows.column("campaign_id"), ""))
            touched |= _distinct(alone, "workspace_id", "campaign_id", "name")
        workspaces = frozenset(name[0] for name in touched)
        lowest, highest = _extremes(rows)
        token = object()
        with self._lock:
            moment = self._moment + 1
            for name in workspaces:
                if lowest <= self._begun.get(name, 0):
                    self._disordered[name] = moment
                self._begun[name] = max(highest, self._begun.get(name, 0))
            self._under_way[token] = _Write(workspaces, lowest)
            self._note_campaigns(touched, moment)
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[token]
                for name in workspaces:
                    self._begun[name] = max(highest, self._begun.get(name, 0))
                    self._ended[name] = max(highest, self._ended.get(name, 0))
                self._note_campaigns(touched, self._moment + 1)

    @contextmanager
    def changing(self, *workspaces: str) -> Iterator[None]:
        """Around a write that may touch every campaign of some workspaces; without any, of all."""
        token = object()
        with self._lock:
            self._under_way[token] = _Write(frozenset(workspaces) or None, 0)
            self._note_workspaces(workspaces)
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[token]
                if not workspaces:  # as if this process had just begun
                    self._begun.clear()
                    self._ended.clear()
                self._note_workspaces(workspaces)

    def _note_campaigns(self, touched: Iterable[tuple[str, ...]], moment: int) -> None:
        self._campaigns.update(dict.fromkeys(touched, moment))
        self._latest.update(dict.fromkeys((name[0] for name in touched), moment))
        if len(self._campaigns) > REMEMBERED_CAMPAIGNS:
            self._everywhere = moment
            self._campaigns = {}
        self._moment = moment

    def _note_workspaces(self, workspaces: Collection[str]) -> None:
        moment = self._moment + 1
        if workspaces:
            self._workspaces.update(dict.fromkeys(workspaces, moment))
        else:
            self._everywhere = moment
        self._moment = moment


def _extremes(rows: pa.Table) -> tuple[int, int]:
    """The lowest and highest sequence; 0 where they are not known."""
    found = pc.min_max(rows.column("sequence")).as_py() if "sequence" in rows.column_names else {}
    return found.get("min") or 0, found.get("max") or 0


def _distinct(rows: pa.Table, *columns: str) -> set[tuple[str, ...]]:
    """The combinations of values in some columns."""
    found = rows.select(columns).group_by(list(columns)).aggregate([])
    return set(zip(*(found.column(name).to_pylist() for name in columns), strict=True))
