"""Format, schedule and delivery of a definition (report specification 3.4, 5, 15.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from campanile.jobs.schedule import Kind, Schedule, Unit
from campanile.kit.times import is_timezone
from campanile.reports.reading import Fields, parse_date
from campanile.reports.schemas import Delivery, EmailDelivery, FileFormat, FormatKind, RestDelivery, WebhookDelivery

RECIPIENTS = 15
"""E-mail addresses of one report."""
ADDRESS_CHARACTERS = 254
"""Longest e-mail address."""
URL_CHARACTERS = 2_048
"""Longest address of a webhook."""
WEEKDAYS = 50
"""Entries of a list of weekdays that are looked at to say what is wrong with it."""
RUNS = 1_000
"""Most runs after which a schedule may end."""
LATEST_START = date(2999, 12, 31)
"""Last date on which a schedule may begin or end."""

_FORMATS: tuple[FormatKind, ...] = get_args(FormatKind)
_KINDS: tuple[Kind, ...] = get_args(Kind)
_UNITS: tuple[Unit, ...] = get_args(Unit)
_SEPARATORS: tuple[Literal[",", "|", ":", ";", "\t"], ...] = (",", "|", ":", ";", "\t")
_NEWLINES: tuple[Literal["lf", "crlf"], ...] = ("lf", "crlf")
_LISTS: tuple[Literal["literal", "json", "comma"], ...] = ("literal", "json", "comma")
_COMPRESSIONS: tuple[Literal["zip", "tar", "gz"], ...] = ("zip", "tar", "gz")
_ENDS: tuple[Literal["never", "on_date", "after_runs"], ...] = ("never", "on_date", "after_runs")
_EVERY: dict[Unit, int] = {"days": 90, "weeks": 12, "months": 12}
"""Unit → most units between two slots."""

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](([01]\d|2[0-3]):[0-5]\d)(?::00)?", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
                      r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])")  # fmt: skip


def file_format(fields: Fields | None) -> FileFormat:
    """How files are written; without `fields` as usual."""
    if fields is None:
        return FileFormat()
    kind = fields.choice("type", _FORMATS) or "csv"
    separator = fields.choice("delimiter", _SEPARATORS)
    if separator not in (None, ",") and kind != "csv":
        fields.wrong("delimiter", "invalid_value", "belongs to the format csv")
    found = FileFormat(
        kind=kind,
        separator=separator or ",",
        bom=fields.boolean("bom"),
        newline=fields.choice("newline", _NEWLINES) or "lf",
        formula_guard=fields.boolean("formula_guard", default=True),
        lists=fields.choice("lists", _LISTS) or "literal",
        compression=fields.choice("compression", _COMPRESSIONS, code="compression_not_supported") or "zip",
        manifest=fields.boolean("include_manifest"),
    )
    fields.close()
    return found


def schedule(fields: Fields, *, timezone: str, now: datetime, before: Schedule | None) -> Schedule | None:
    """When to run; None if something is wrong.

    Args:
        timezone: the zone unless another one is named.
        now: a periodic schedule without start date begins today,
        before: or when the schedule that it replaces began.
    """
    clean = len(fields.find.problems)
    kind = fields.choice("type", _KINDS, required=True)
    zone = fields.text("time_zone") or timezone
    if not is_timezone(zone):
        fields.wrong("time_zone", "unknown_time_zone", "must be an IANA time zone such as Europe/Berlin")
        zone = timezone
    found = None
    if kind == "once":
        found = Schedule(kind=kind, time_zone=zone, at=_moment(fields))
    elif kind is not None:
        start = before.start_date if before is not None else None
        found = _recurrence(fields, kind, zone, start or now.astimezone(ZoneInfo(zone)).date())
    if kind is not None:  # otherwise nobody can say which members belong here
        fields.close()
    return found if len(fields.find.problems) == clean else None


def _moment(fields: Fields) -> datetime | None:
    text = fields.text("at", required=True)
    if text is None or text == "asap":
        return None
    match = _MOMENT.fullmatch(text)
    day = parse_date(match[1]) if match else None
    if match is None or day is None or day > LATEST_START:
        fields.wrong("at", "invalid_value", "must be asap or a local date and time such as 2025-03-01T06:00")
        return None
    return datetime.combine(day, time.fromisoformat(match[2]))


def _recurrence(fields: Fields, kind: Kind, zone: str, default_start: date) -> Schedule:
    unit: Unit | None = None
    every = 1
    if kind == "custom":
        unit = fields.choice("unit", _UNITS, required=True)
        every = fields.integer("every", 1, _EVERY[unit or "days"], required=True) or 1
    end_date, end_runs = _end(fields.fields("end"))
    start = fields.day("start_date") or default_start
    if start > LATEST_START:
        fields.wrong("start_date", "invalid_value", f"may be {LATEST_START} at the latest")
        start = default_start
    return Schedule(
        kind=kind,
        time_zone=zone,
        time_of_day=_time_of_day(fields),
        start_date=start,
        weekdays=_weekdays(fields) if kind == "weekly" or unit == "weeks" else (),
        day=_day(fields, last=kind == "custom") if kind == "monthly" or unit == "months" else None,
        every=every,
        unit=unit,
        end_date=end_date,
        end_runs=end_runs,
    )


def _time_of_day(fields: Fields) -> time | None:
    text = fields.text("time", required=True)
    if text is None:
        return None
    if _TIME.fullmatch(text) is None:
        fields.wrong("time", "invalid_value", "must be a time of day from 00:00 to 23:59")
        return None
    return time.fromisoformat(text)


def _weekdays(fields: Fields) -> tuple[int, ...]:
    numbers = fields.array("weekdays", most=WEEKDAYS, required=True)
    whole = [number for number in numbers if isinstance(number, int) and not isinstance(number, bool)]
    if fields.has("weekdays") and not (0 < len(numbers) == len(set(whole)) and set(whole) <= set(range(1, 8))):
        fields.wrong("weekdays", "invalid_value", "must name weekdays once each, from 1 (Monday) to 7 (Sunday)")
    return tuple(sorted(whole))


def _day(fields: Fields, *, last: bool) -> int | Literal["last"] | None:
    if last and fields.value("day") == "last":
        return "last"
    return fields.integer("day", 1, 31, required=True)


def _end(fields: Fields | None) -> tuple[date | None, int | None]:
    """The last date and the number of runs."""
    if fields is None:
        return None, None
    kind = fields.choice("type", _ENDS, required=True)
    day = fields.day("date", required=True) if kind == "on_date" else None
    runs = fields.integer("runs", 1, RUNS, required=True) if kind == "after_runs" else None
    if kind is not None:
        fields.close()
    return day, runs


def delivery(fields: Fields, *, allowed: Callable[[str], bool]) -> tuple[Delivery, ...]:
    """Where finished files go; `allowed` says whether an address may be written to."""
    found: list[Delivery] = []
    if fields.boolean("rest_api"):
        found.append(RestDelivery())
    email = fields.fields("email")
    if email is not None:
        login = email.boolean("require_login")
        found.append(EmailDelivery(recipients=recipients(email, allowed=allowed), require_login=login))
        email.close()
    webhook = fields.fields("webhook")
    if webhook is not None:
        found.append(WebhookDelivery(_address(webhook)))
        webhook.close()
    fields.close()
    return tuple(found)


def recipients(fields: Fields, *, allowed: Callable[[str], bool]) -> tuple[str, ...]:
    """The member `recipients`: addresses that reports are mailed to, each once."""
    found: dict[str, str] = {}
    entries = fields.texts("recipients", most=RECIPIENTS * 10, longest=ADDRESS_CHARACTERS, code="too_many_recipients")
    for path, address in entries:
        if _ADDRESS.fullmatch(address) is None:
            fields.find.add("invalid_value", path, f"{path} must be an e-mail address.")
        elif not allowed(address):
            fields.find.add("recipient_not_allowed", path, f"{path}: this workspace may not write to that domain.")
        else:
            found.setdefault(address.lower(), address)
    if len(found) > RECIPIENTS:
        fields.wrong("recipients", "too_many_recipients", f"may name at most {RECIPIENTS} addresses")
    if not fields.value("recipients"):
        fields.wrong("recipients", "required", "must name at least one address")
    return tuple(found.values())


def _address(fields: Fields) -> str:
    url = fields.text("url", required=True)
    if url is None:
        return ""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        good = False
    if not good or len(url) > URL_CHARACTERS or not url.isascii() or any(character <= " " for character in url):
        fields.wrong("url", "invalid_value", "must be an http or https address without user name and fragment")
    return url
