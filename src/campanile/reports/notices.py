"""What is worth knowing about a definition before it runs; nothing of it stops anything (report specification 15.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from campanile.jobs.schedule import Slot, next_slots
from campanile.reports import offer
from campanile.reports.columns import columns_by_key, is_active
from campanile.reports.names import stem
from campanile.reports.periods import AbsolutePeriod, complete_at, covered, resolve
from campanile.reports.schemas import ReportDefinition, ReportSpec, ReportWarning
from campanile.reports.spec import Circumstances

SHOWN_SLOTS = 5
"""Slots that are listed in advance, and looked at for warnings."""
SHOWN_IDS = 10
"""Ids that a message lists."""
ARCHIVED_AFTER_MONTHS = 6
"""Finished campaigns are archived after so many months."""


def coming(spec: ReportSpec, given: Circumstances, definition: ReportDefinition | None = None) -> list[Slot]:
    """The next slots: of a stored definition if it is active, of a specification as if it were activated now."""
    if spec.schedule is None or (definition is not None and definition.state not in ("ACTIVE", "DRAFT", "PAUSED")):
        return []
    used = 0 if definition is None else definition.slots_used
    if definition is None or definition.next_slot is None or definition.next_file_date is None:
        return next_slots(spec.schedule, given.now, SHOWN_SLOTS, used=used)
    first = Slot(definition.next_slot, definition.next_file_date)
    return [first, *next_slots(spec.schedule, first.at, SHOWN_SLOTS - 1, used=used + 1)]


def warnings(
    spec: ReportSpec, given: Circumstances, slots: list[Slot], unknown: Collection[str] = ()
) -> list[ReportWarning]:
    """
    Args:
        slots: the next ones.
        unknown: chosen campaigns that do not exist.
    """
    return [
        *_name(spec),
        *_period(spec, given, slots),
        *_campaigns(unknown),
        *_columns(spec, given),
        *_zones(spec, given, slots),
    ]


def _name(spec: ReportSpec) -> Iterator[ReportWarning]:
    named = [scope.channel for scope in spec.channels if scope.channel in stem(spec.name).upper()]
    if named and len(spec.channels) > 1:
        yield ReportWarning(
            code="name_contains_channel",
            message=f"The name holds the channel {named[0]}: who looks for it in file names finds every file.",
        )


def _period(spec: ReportSpec, given: Circumstances, slots: list[Slot]) -> Iterator[ReportWarning]:
    if isinstance(spec.period, AbsolutePeriod) and spec.schedule is not None and spec.schedule.periodic:
        yield ReportWarning(
            code="fixed_range_on_periodic", message="The range is fixed: every file will hold the same days."
        )
    today = given.now.astimezone(ZoneInfo(given.timezone)).date()
    first, _ = covered(spec.period, slots[0].file_date if slots else today)
    if spec.campaigns == "all" and not spec.filters.include_archived and first < _months_before(today):
        yield ReportWarning(
            code="archived_may_be_missing",
            message=f"The range begins more than {ARCHIVED_AFTER_MONTHS} months ago, and archived campaigns are left "
            "out: some will be missing.",
        )


def _months_before(day: date) -> date:
    month = day.year * 12 + day.month - 1 - ARCHIVED_AFTER_MONTHS
    first = date(month // 12, month % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def _campaigns(unknown: Collection[str]) -> Iterator[ReportWarning]:
    if unknown:
        listed = sorted(unknown)
        more = f" and {len(listed) - SHOWN_IDS} more" if len(listed) > SHOWN_IDS else ""
        yield ReportWarning(
            code="campaign_not_found",
            message=f"There are no campaigns {', '.join(listed[:SHOWN_IDS])}{more}.",
            count=len(listed),
        )


def _columns(spec: ReportSpec, given: Circumstances) -> Iterator[ReportWarning]:
    for scope in spec.channels:
        channel = scope.channel
        keys = spec.columns.get(channel)
        if keys is not None and "campaign.id" not in keys:
            yield ReportWarning(
                code="no_campaign_id",
                message=f"{channel}: without Campaign ID, campaigns of one name cannot be told apart.",
                channel=channel,
            )
        if spec.splits.locale and not offer.splits_locales(channel):
            yield ReportWarning(
                code="locale_split_ignored",
                message=f"{channel} has no locales: its rows are for all of them together.",
                channel=channel,
            )
        columns = columns_by_key(channel)
        for key in keys or ():
            if key in columns and not is_active(columns[key].attribution_dependent, given.attribution_model):
                yield ReportWarning(
                    code="attribution_model_inactive",
                    message=f"{channel}: {key} stays blank under the attribution model of this workspace.",
                    channel=channel,
                    column=key,
                )


def _zones(spec: ReportSpec, given: Circumstances, slots: list[Slot]) -> Iterator[ReportWarning]:
    if spec.schedule is None:
        return
    own, theirs = ZoneInfo(spec.schedule.time_zone), ZoneInfo(given.timezone)
    if all(slot.at.astimezone(own).utcoffset() == slot.at.astimezone(theirs).utcoffset() for slot in slots):
        return
    ends = [complete_at(resolve(spec.period, slot.file_date, given.timezone), slot.file_date) for slot in slots]
    waits = any(end is not None and end > slot.at for end, slot in zip(ends, slots, strict=True))
    effect = "; runs wait until the last day is over there" if waits else ""
    yield ReportWarning(
        code="time_zone_differs",
        message=f"The schedule is in {spec.schedule.time_zone}, days are those of {given.timezone}{effect}.",
    )
