"""Which campaigns this process has written to, so that nobody has to ask the store whether they still stand still.

Every write counts twice: when it begins and when it has ended, well or badly. Whoever notes the present moment, then
reads, knows something that holds for as long as nothing that has ended or begun since touches the same campaigns: a
write that was under way while they read ends later and is seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

REMEMBERED_CAMPAIGNS = 1_000_000
"""Campaigns remembered one by one, about 200 bytes each; beyond, everything counts as moved once."""


class Movements:
    """Thread-safe; reading takes no lock."""

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

    @contextmanager
    def writing(self, rows: pa.Table) -> Iterator[None]:
        """Around a write of rows; those that name no campaigns may touch all of their workspaces."""
        if "campaign_id" in rows.column_names:
            note, touched = self._note_campaigns, _distinct(rows, "workspace_id", "campaign_id")
            if "name" in rows.column_names and any(not campaign for _, campaign in touched):
                alone = rows.filter(pc.equal(rows.column("campaign_id"), ""))
                touched |= _distinct(alone, "workspace_id", "campaign_id", "name")
        else:
            note, touched = self._note_workspaces, _distinct(rows, "workspace_id")
        note(touched)
        try:
            yield
        finally:
            note(touched)

    @contextmanager
    def changing(self, *workspaces: str) -> Iterator[None]:
        """Around a write that may touch every campaign of some workspaces; without any, of all."""
        note = partial(self._note_workspaces, [(name,) for name in workspaces]) if workspaces else self._note_everything
        note()
        try:
            yield
        finally:
            note()

    def _note_campaigns(self, touched: Iterable[tuple[str, ...]]) -> None:
        with self._lock:
            moment = self._moment + 1
            self._campaigns.update(dict.fromkeys(touched, moment))
            self._latest.update(dict.fromkeys((name[0] for name in touched), moment))
            if len(self._campaigns) > REMEMBERED_CAMPAIGNS:
                self._everywhere = moment
                self._campaigns = {}
            self._moment = moment

    def _note_workspaces(self, touched: Iterable[tuple[str, ...]]) -> None:
        with self._lock:
            moment = self._moment + 1
            self._workspaces.update((name, moment) for (name,) in touched)
            self._moment = moment

    def _note_everything(self) -> None:
        with self._lock:
            self._moment = self._everywhere = self._moment + 1


def _distinct(rows: pa.Table, *columns: str) -> set[tuple[str, ...]]:
    """The combinations of values in some columns."""
    found = rows.select(columns).group_by(list(columns)).aggregate([])
    return set(zip(*(found.column(name).to_pylist() for name in columns), strict=True))
