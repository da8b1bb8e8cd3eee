"""Instants as senders write them (ingest specification 1.9, time rules)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from campanile.intake.verdicts import Refused

SECONDS_BELOW = 10**11
"""Numbers below are seconds since 1970."""
MILLISECONDS_BELOW = 10**14
"""Numbers from `SECONDS_BELOW` to here are milliseconds."""
MICROSECONDS_BELOW = 10**17
"""Numbers from `MILLISECONDS_BELOW` to here are microseconds; larger ones are refused."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII
)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_DIGITS = re.compile(r"\d{1,17}", re.ASCII)


def instant(value: object, field: str) -> datetime:
    """The UTC instant that `value` means, cut to milliseconds.

    Texts are RFC 3339 with an offset, or digits; numbers and digits are seconds, milliseconds or microseconds by
    their size. A leap second is the last millisecond before it.
    """
    if isinstance(value, str):
        # The form nearly every sender uses, recognised by its shape; everything else goes through the grammar below.
        if (
            ((size := len(value)) == 20 or (size == 24 and value[19] == "."))
            and value[-1] == "Z"
            and value[10] == "T"
            and value[13] == value[16] == ":"
            and value[4] == value[7] == "-"
            and value[11:13] != "24"  # midnight at the end of a day, to newer Pythons
        ):
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        if _DIGITS.fullmatch(value):
            return _from_number(int(value), field)
        return _from_text(value, field)
    if isinstance(value, int) and not isinstance(value, bool):
        return _from_number(value, field)
    if value.__class__.__name__ == "Decimal":
        raise Refused("time_unparsable", field, f"{field} as a number must be an integer")
    raise Refused("invalid_type", field, f"{field} must be a string or an integer")


def _from_number(value: int, field: str) -> datetime:
    if 0 < value < SECONDS_BELOW:
        return _EPOCH + timedelta(seconds=value)
    if SECONDS_BELOW <= value < MILLISECONDS_BELOW:
        return _EPOCH + timedelta(milliseconds=value)
    if MILLISECONDS_BELOW <= value < MICROSECONDS_BELOW:
        return _EPOCH + timedelta(milliseconds=value // 1000)
    raise Refused("time_unparsable", field, f"{field} as a number must be positive and below 10^17")


def _from_text(value: str, field: str) -> datetime:
    found = _RFC3339.fullmatch(value)
    if found is None:
        raise Refused("time_unparsable", field, f"{field} must be an RFC 3339 time or digits")
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = found.groups()
    if zulu is None and sign is None:
        raise Refused("time_without_zone", field, f"{field} must carry Z or a numeric offset")
    milliseconds = int((fraction or "").ljust(3, "0")[:3])
    leap = second == "60"
    if leap:
        second, milliseconds = "59", 999
    offset = UTC
    try:
        if sign is not None:
            if int(offset_hours) > 23 or int(offset_minutes) > 59:
                raise ValueError
            distance = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            offset = timezone(-distance if sign == "-" else distance)
        local = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second), milliseconds * 1000, tzinfo=offset
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Refused("time_unparsable", field, f"{field} is not a date and time that exists") from error


def calendar_day(value: object, field: str) -> date:
    """A day written YYYY-MM-DD."""
    if not isinstance(value, str):
        raise Refused("invalid_type", field, f"{field} must be a string")
    found = _DAY.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as error:
        raise Refused("time_unparsable", field, f"{field} must be a day written YYYY-MM-DD") from error
