"""What mails and webhooks say (report specification 13): the same facts as text, as HTML, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from campanile.reports.runs.schemas import ERRORS, Run, RunState

NO_DATA_LINE = "No campaigns matched."


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a message is about."""

    run: Run
    report_name: str
    event: RunState
    timezone: str
    """Of the workspace."""
    link: str
    """Opens the file; empty without one."""


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """How mails look from outside."""

    address: str
    """`Name <address>`."""
    subject: str
    """May hold `{report_name}`, `{file_date}`, `{status}`."""
    domain: str
    """Of message ids."""


def mail(facts: Facts, recipient: str, sender: Sender, *, now: datetime, attachment: bytes | None) -> EmailMessage:
    """One message to one person; what text and HTML say is the same. Sent twice it is the same message."""
    run = facts.run
    message = EmailMessage()
    message["From"] = sender.address
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = _subject(facts, sender)
    message["Date"] = format_datetime(now)
    seed = f"{run.id}/{facts.event}/{run.attempt}/{recipient.lower()}"
    message["Message-ID"] = f"<{sha256(seed.encode()).hexdigest()[:32]}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Campanile-Run-Id"] = run.id
    if run.definition_id is not None:
        message["X-Campanile-Report-Id"] = run.definition_id
    lines = _lines(facts)
    message.set_content("\n".join(lines) + "\n")
    message.add_alternative(_html(lines, facts.link), subtype="html")
    if attachment is not None and run.file is not None:
        kind = "zip" if run.file.name.endswith(".zip") else "octet-stream"
        message.add_attachment(attachment, maintype="application", subtype=kind, filename=run.file.name)
    return message


def notification(facts: Facts) -> Mapping[str, Any]:
    """What a webhook posts."""
    run, file = facts.run, facts.run.file
    name = {"SUCCESSFUL": "report.finished", "NO_DATA": "report.no_data"}.get(facts.event, "report.failed")
    return {
        "type": name,
        "timestamp": run.finished_at,
        "data": {
            "run_id": run.id,
            "report_id": run.definition_id,
            "report_name": facts.report_name,
            "status": facts.event,
            "file_date": f"{run.file_date:%Y%m%d}",
            "window": {"start": run.first_day, "end": run.last_day},
            "file_name": None if file is None else file.name,
            "size": None if file is None else file.size,
            "sha256": None if file is None else file.sha256,
            "expires_at": None if file is None else file.expires_at,
            "error": None if run.error is None else {"code": run.error, "message": ERRORS[run.error]},
        },
    }


def _subject(facts: Facts, sender: Sender) -> str:
    status = {"SUCCESSFUL": "finished", "NO_DATA": "no data"}.get(facts.event, "failed")
    text = sender.subject
    if facts.event == "FAILED":
        text = "Your report {report_name} failed"
    known = {"report_name": facts.report_name, "file_date": f"{facts.run.file_date:%Y%m%d}", "status": status}
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    return " ".join(text.split())


def _lines(facts: Facts) -> list[str]:
    """One fact per line; the link stands alone on its line, and is the only one."""
    run, file = facts.run, facts.run.file
    lines = [f"Report: {facts.report_name}", f"Dates: {run.first_day} to {run.last_day} ({facts.timezone})"]
    if facts.event == "FAILED":
        code = run.error or "internal"
        attempts = f"{run.attempt} attempt{'' if run.attempt == 1 else 's'}"
        return [*lines, f"The report failed after {attempts}: {ERRORS[code]} ({code})", f"Run: {run.id}"]
    if facts.event == "NO_DATA" or file is None:
        return [*lines, NO_DATA_LINE]
    lines.append(f"File: {file.name}, {_size(file.size)}")
    lines += [f"{part.channel}: {part.rows} row{'' if part.rows == 1 else 's'}" for part in run.parts]
    if facts.link:
        until = file.expires_at.astimezone(ZoneInfo(facts.timezone))
        lines += ["", facts.link, "", f"Link valid until {until:%Y-%m-%d %H:%M} {facts.timezone}"]
    return [*lines, *(f"Note: {warning.message}" for warning in run.warnings)]


def _html(lines: list[str], link: str) -> str:
    shown = [
        f'<p><a href="{escape(link)}">{escape(link)}</a></p>' if link and line == link else f"<p>{escape(line)}</p>"
        for line in lines
        if line
    ]
    return f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body>{"".join(shown)}</body></html>\n'


def _size(size: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
