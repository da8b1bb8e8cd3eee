"""Names of archives and of the files in them (report specification 9)."""

from __future__ import annotations

import re
from datetime import date

from campanile.reports.files.archive import EXTENSIONS, Compression
from campanile.reports.schemas import FormatKind

_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,126})_([0-9]{8})(?:\.zip)?", re.ASCII)
_DAILY = re.compile(r"([0-9]{8})\.zip", re.ASCII)


def archive_name(stem: str, file_date: date, compression: Compression = "zip") -> str:
    """`<stem>_<YYYYMMDD>.zip`; without a stem, the name of a daily dump."""
    return "_".join([*([stem] if stem else []), f"{file_date:%Y%m%d}"]) + EXTENSIONS[compression]


def member_name(stem: str, channel: str, file_date: date, kind: FormatKind, part: int = 1) -> str:
    """`<stem>_<CHANNEL>_<YYYYMMDD>.csv`, in a daily dump `<CHANNEL>_<YYYY-MM-DD>.csv`; further parts are numbered."""
    base = f"{stem}_{channel}_{file_date:%Y%m%d}" if stem else f"{channel}_{file_date}"
    return f"{base}{'' if part == 1 else f'_part{part:03d}'}.{kind}"


def parse_name(text: str) -> tuple[str, date] | None:
    """Stem and file date of a report's file, with or without `.zip`; None if nothing can have this name.

    The date is the last group, so that stems may end in digits.
    """
    found = _NAME.fullmatch(text)
    day = None if found is None else _day(found[2])
    return None if found is None or day is None else (found[1], day)


def parse_daily_name(text: str) -> date | None:
    """The day of a daily dump `YYYYMMDD.zip`; None if nothing can have this name."""
    found = _DAILY.fullmatch(text)
    return None if found is None else _day(found[1])


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
