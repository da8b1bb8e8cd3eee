"""The daily dump: a report nobody defined, of everything a workspace did on one day (report API specification 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campanile.clock import Clock
from campanile.errors import ConfigurationError
from campanile.jobs.queue import Queue
from campanile.jobs.schedule import local_instant
from campanile.metadata import Metadata
from campanile.reports.periods import RollingPeriod
from campanile.reports.runs import repository
from campanile.reports.runs.orders import daily_run, enqueue, slot_key
from campanile.reports.schemas import CHANNELS, ChannelSelection, ReportSpec, RestDelivery
from campanile.workspaces.schemas import Workspace


def daily_spec() -> ReportSpec:
    """What every daily dump holds: all channels, with their usual columns."""
    return ReportSpec(
        name="Daily dump",
        channels=tuple(ChannelSelection(channel) for channel in CHANNELS),
        period=RollingPeriod(preset="yesterday"),
        delivery=(RestDelivery(),),
    )


def parse_time(text: str) -> time | None:
    """The setting `daily_dump_time`; None if it is empty.

    Raises:
        ConfigurationError: not a time such as `04:00`.
    """
    if not text:
        return None
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day
    except ValueError as error:
        message = "daily_dump_time must be a time such as 04:00"
        raise ConfigurationError(message, attribute="daily_dump_time") from error


class DailyPlanner:
    """Makes the run of the day before for each workspace, once its local time has come. Earlier days stay as they are.

    Args:
        at: local time; None for never.
        workspaces: all there are.
    """

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        queue: Queue,
        workspaces: Callable[[], Sequence[Workspace]],
        notify: Callable[[], None],
        at: time | None,
    ) -> None:
        self._metadata = metadata
        self._clock = clock
        self._queue = queue
        self._workspaces = workspaces
        self._notify = notify
        self._at = at
        self._planned: dict[str, date] = {}

    def plan(self) -> int:
        """Make the runs that are due; how many. Whoever else does the same, there is one per workspace and day."""
        if self._at is None:
            return 0
        now, made = self._clock.now(), 0
        for workspace in self._workspaces():
            zone = ZoneInfo(workspace.settings.timezone)
            today = now.astimezone(zone).date()
            yesterday = today - timedelta(days=1)
            if self._planned.get(workspace.id) == yesterday or now < local_instant(today, self._at, zone):
                continue
            run = daily_run(workspace.id, yesterday, now)
            with self._metadata.begin() as connection:
                if repository.add_run(connection, run, slot_key(run)):
                    enqueue(connection, self._queue, run, workspace.settings.timezone, now)
                    made += 1
            self._planned[workspace.id] = yesterday
        if made:
            self._notify()
        return made
