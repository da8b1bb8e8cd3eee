"""Clocks of senders: how the times of events compare with the moment at which they arrived."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np

from campanile.intake.bulk import Times
from campanile.kit.times import epoch_milliseconds

TOLERANCE = timedelta(minutes=5)
"""How far a clock may be off without being noticed."""
WATCHED_KEYS = 10_000
"""Keys of all workspaces that are remembered; beyond, those heard of longest ago are forgotten."""


class SenderClock(msgspec.Struct, frozen=True):
    """What one key sent to this process since it started, by time of event against time of arrival."""

    key_id: str
    events: int
    ahead: int
    """Events from more than five minutes after they arrived."""
    behind: int
    """Events from more than five minutes before they arrived."""
    median: Literal["ahead", "right", "behind"]
    """On which side of the tolerance the median event lies."""


class SenderClocks:
    """Counts for every key; to be used from one thread (ingest specification 7)."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], SenderClock] = OrderedDict()

    def note(self, workspace_id: str, key_id: str, times: Times, received_at: datetime) -> None:
        """Count events. `times` are UTC epoch milliseconds."""
        arrived, tolerance = epoch_milliseconds(received_at), TOLERANCE // timedelta(milliseconds=1)
        ahead = int(np.count_nonzero(times > arrived + tolerance))
        behind = int(np.count_nonzero(times < arrived - tolerance))
        events = len(times)
        before = self._known.pop((workspace_id, key_id), None)
        if before is not None:
            events, ahead, behind = events + before.events, ahead + before.ahead, behind + before.behind
        median: Literal["ahead", "right", "behind"] = (
            "ahead" if 2 * ahead > events else "behind" if 2 * behind > events else "right"
        )
        self._known[workspace_id, key_id] = SenderClock(key_id, events, ahead, behind, median)
        if len(self._known) > WATCHED_KEYS:
            self._known.popitem(last=False)

    def wrong(self, workspace_id: str) -> list[SenderClock]:
        """Keys of a workspace whose median event is more than five minutes off, by id."""
        found = [clock for (owner, _), clock in self._known.items() if owner == workspace_id]
        return sorted((clock for clock in found if clock.median != "right"), key=lambda clock: clock.key_id)
