"""Times as files have them, turned into instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campanile.cli.importer.sources import BadRow

NAMED_FORMATS = {"epoch": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
"""Formats that count from 1970, with their units per second."""
SECONDS_BELOW = 10**11
MILLISECONDS_BELOW = 10**14
MICROSECONDS_BELOW = 10**17
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(value: object, format: str, zone: ZoneInfo | None) -> datetime | BadRow:
    """The instant a value means, in UTC.

    `format` is `rfc3339` (which also takes ISO times without offset, when `zone` is given, and epoch numbers),
    `epoch`, `epoch_ms`, `epoch_us`, or a pattern of `strptime`.
    """
    try:
        if isinstance(value, datetime):
            return _in_utc(value, zone)
        if isinstance(value, date):
            return _in_utc(datetime.combine(value, time.min), zone)
        if format in NAMED_FORMATS:
            return _since_epoch(float(str(value)), NAMED_FORMATS[format])
        text = str(value).strip()
        if format != "rfc3339":
            return _in_utc(datetime.strptime(text, format), zone)  # noqa: DTZ007 - the zone is applied here
        if isinstance(value, int | float) or text.isdigit():
            return _since_epoch(float(text), _unit(float(text)))
        if text.endswith(" UTC"):
            text = text.removesuffix(" UTC") + "Z"
        return _in_utc(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        return BadRow("time_unparsable", f"time is not of the form {format}")


def rfc3339(moment: datetime) -> str:
    """An instant as the events API takes it, in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _in_utc(moment: datetime, zone: ZoneInfo | None) -> datetime | BadRow:
    if moment.tzinfo is None:
        if zone is None:
            return BadRow("time_without_zone", "time has no offset: say --timezone")
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def _unit(number: float) -> int:
    if number < SECONDS_BELOW:
        return 1
    if number < MILLISECONDS_BELOW:
        return 1_000
    if number < MICROSECONDS_BELOW:
        return 1_000_000
    raise ValueError(number)


def _since_epoch(number: float, unit: int) -> datetime:
    return _EPOCH + timedelta(microseconds=round(number * 1_000_000 / unit))
