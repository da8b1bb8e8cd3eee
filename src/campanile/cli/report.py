"""`campanile report create|list|show|run|delete`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from campanile.cli.connection import USUAL, Connection, ServerFailed
from campanile.cli.options import Json, WrongUsage, read_json
from campanile.cli.output import print_json, stdout, table
from campanile.client import Client, Refused
from campanile.reports.schemas import CHANNELS

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
POLL_SECONDS = 2.0
"""Pause between two questions about a run that is waited for."""
FINAL = frozenset({"SUCCESSFUL", "NO_DATA", "FAILED", "CANCELLED", "MISSED", "EXPIRED"})
"""Statuses of runs that nothing follows."""

Report = Annotated[str, Parameter(help="Id or name of the report.")]
Choice = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def create(
    name: Annotated[str, Parameter(help="Name of the report; its files are called after it.")] = "",
    /,
    *,
    definition: Annotated[Path | None, Parameter(help="File with a definition in JSON, which flags change.")] = None,
    channel: Annotated[Choice, Parameter(help="Channels; all if not given.")] = None,
    period: Annotated[
        str, Parameter(help="Days: yesterday, last_7_days, previous_week, previous_month, … [default: last_7_days]")
    ] = "",
    from_: Annotated[str, Parameter(name="--from", help="First day of fixed days, YYYY-MM-DD.")] = "",
    to: Annotated[str, Parameter(help="Last day of fixed days, YYYY-MM-DD.")] = "",
    campaign: Annotated[Choice, Parameter(help="Campaign ids; all active campaigns if not given.")] = None,
    split: Annotated[
        list[Literal["date", "child", "variation", "locale"]] | None,
        Parameter(consume_multiple=True, negative="", help="What has rows of its own. [default: child]"),
    ] = None,
    schedule: Annotated[
        Literal["once", "daily", "weekly", "monthly"] | None,
        Parameter(help="How often; once is now unless --time gives a moment. [default: once]"),
    ] = None,
    time: Annotated[str, Parameter(help="Time of day, HH:MM; with once: YYYY-MM-DDTHH:MM.")] = "",
    weekday: Annotated[Choice, Parameter(help="With weekly: mon, tue, …")] = None,
    day: Annotated[int | None, Parameter(help="With monthly: day of the month.")] = None,
    time_zone: Annotated[str, Parameter(help="IANA zone of the schedule; that of the workspace if not given.")] = "",
    format: Annotated[Literal["csv", "xlsx", "parquet", "jsonl"] | None, Parameter(help="Kind of files.")] = None,
    email: Annotated[Choice, Parameter(help="Addresses that get a link.")] = None,
    draft: Annotated[bool, Parameter(negative="", help="Store it without switching it on.")] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Check only: show what would be stored.")] = False,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Define a report; unless told otherwise it covers the last seven days and is made at once."""
    document = _base(definition)
    if name:
        document = {"name": name} | document | {"name": name}  # first, so that the server judges it first
    _select(document, channel or [], period, from_, to, campaign or [])
    _plan(document, schedule, time, weekday or [], day, time_zone)
    if split is not None:
        document.setdefault("content", {})["split"] = {
            kind: kind in split for kind in ("date", "child", "variation", "locale")
        }
    if format is not None:
        document.setdefault("format", {})["type"] = format
    if email:
        document.setdefault("delivery", {})["email"] = {"recipients": email}
    if draft:
        document["state"] = "DRAFT"
    with connection.open() as client:
        stored = _asked(lambda: client.reports.check(document) if dry_run else client.reports.create(document))
    if json:
        print_json(stored)
    else:
        _describe(stored)
    return 0


def list_all(
    *,
    text: Annotated[str, Parameter(help="Only reports whose name contains this.")] = "",
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """List the reports of a workspace, newest first."""
    with connection.open() as client:
        found = list(client.reports.all(text=text))
    if json:
        print_json(found)
        return 0
    rows = [
        (report["id"], report["name"], report["state"].lower(), _when(report), report["next_run_at"] or "",
         _last(report))
        for report in found
    ]  # fmt: skip
    stdout().print(table(("id", "name", "state", "schedule", "next run (UTC)", "last run"), rows))
    return 0


def show(
    report: Report,
    /,
    *,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Show a report; with --json the whole definition, which `report create --definition` takes again."""
    with connection.open() as client:
        found = _find(client, report)
    if json:
        print_json(found)
    else:
        _describe(found)
    return 0


def run(
    report: Report,
    /,
    *,
    file_date: Annotated[str, Parameter(help="Date in the file's name, YYYY-MM-DD; today if not given.")] = "",
    from_: Annotated[str, Parameter(name="--from", help="First day, instead of the report's own days.")] = "",
    to: Annotated[str, Parameter(help="Last day, instead of the report's own days.")] = "",
    wait: Annotated[bool, Parameter(negative="", help="Wait until the file is there.")] = False,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Make a report's file now, apart from its schedule."""
    if bool(from_) != bool(to):
        raise WrongUsage("--from and --to belong together")
    order: dict[str, Any] = {"file_date": file_date} if file_date else {}
    if from_:
        order["window"] = {"start": from_, "end": to}
    with connection.open() as client:
        started = _asked(lambda: client.reports.run(_id(client, report), order))
        while wait and started["status"] not in FINAL:
            time.sleep(POLL_SECONDS)
            started = client.reports.run_state(started["id"])
    if json:
        print_json(started)
    else:
        console = stdout()
        console.print(f"Run {started['id']} is {started['status'].lower()}.")
        if started.get("file_name"):
            console.print(f"File: {started['file_name']}, {started['size']:,} bytes, until {started['expires_at']}")
        if error := started.get("error"):
            console.print(error["message"])
        _print_warnings(started)
    return 1 if started["status"] in ("FAILED", "CANCELLED") else 0


def delete(report: Report, /, *, connection: Connection = USUAL) -> int:
    """Delete a report with all its files."""
    with connection.open() as client:
        report_id = _id(client, report)
        client.reports.delete(report_id)
    stdout().print(f"Report {report_id} is deleted.")
    return 0


def _base(definition: Path | None) -> dict[str, Any]:
    """The document that flags change."""
    if definition is None:
        return {
            "selection": {
                "scopes": [{"channel": channel} for channel in CHANNELS],
                "date_range": {"type": "rolling", "preset": "last_7_days"},
            },
            "schedule": {"type": "once", "at": "asap"},
            "delivery": {"rest_api": True},
        }
    found = read_json(definition)
    if not isinstance(found, dict):
        raise WrongUsage(f"{definition} holds no definition in JSON")
    return found


def _select(
    document: dict[str, Any], channels: list[str], period: str, first: str, last: str, campaigns: list[str]
) -> None:
    selection = document.setdefault("selection", {})
    if channels:
        selection["scopes"] = [{"channel": channel.upper()} for channel in channels]
    if period and (first or last):
        raise WrongUsage("--period and --from/--to exclude each other")
    if bool(first) != bool(last):
        raise WrongUsage("--from and --to belong together")
    if period:
        selection["date_range"] = {"type": "rolling", "preset": period}
    if first:
        selection["date_range"] = {"type": "absolute", "start": first, "end": last}
    if campaigns:
        selection["campaigns"] = {"mode": "manual", "ids": campaigns}


def _plan(
    document: dict[str, Any], kind: str | None, moment: str, weekdays: list[str], day: int | None, time_zone: str
) -> None:
    if kind is None and (moment or weekdays or day is not None):
        raise WrongUsage("--time, --weekday and --day need --schedule")
    if kind == "once":
        document["schedule"] = {"type": kind, "at": moment or "asap"}
    elif kind is not None:
        if not moment:
            raise WrongUsage(f"--schedule {kind} needs --time HH:MM")
        document["schedule"] = {"type": kind, "time": moment}
        if weekdays:
            document["schedule"]["weekdays"] = [_weekday(name) for name in weekdays]
        if day is not None:
            document["schedule"]["day"] = day
    if time_zone:
        document.setdefault("schedule", {})["time_zone"] = time_zone


def _weekday(name: str) -> int:
    if name[:3].lower() not in WEEKDAYS:
        raise WrongUsage(f"--weekday must be some of: {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(name[:3].lower()) + 1


def _asked(ask: Any) -> dict[str, Any]:
    """The answer; everything that the server finds wrong becomes the message."""
    try:
        answer: dict[str, Any] = ask()
    except Refused as error:
        if len(error.problems) < 2:
            raise
        raise ServerFailed(f"{len(error.problems)} problems: {' '.join(error.problems)}") from error
    return answer


def _find(client: Client, report: str) -> dict[str, Any]:
    """The definition with this id or name."""
    if report.startswith("rep_"):
        return client.reports.get(report)
    wanted = report.replace(" ", "_").lower()
    for found in client.reports.all():
        if found["stem"].lower() == wanted:
            return found
    raise ServerFailed(f"there is no report called {report}")


def _id(client: Client, report: str) -> str:
    found: str = report if report.startswith("rep_") else _find(client, report)["id"]
    return found


def _describe(report: dict[str, Any]) -> None:
    console = stdout()
    scopes = ", ".join(scope["channel"] for scope in report["selection"]["scopes"])
    console.print(f"{report['name']} ({report.get('id', 'not stored')}), {report['state'].lower()}")
    console.print(f"  channels  {scopes}")
    console.print(f"  days      {_days(report['selection']['date_range'])}")
    console.print(f"  schedule  {_when(report)}")
    if "stem" in report:
        console.print(f"  files     {report['stem']}_YYYYMMDD.zip, {report['format']['type']}")
    if report["next_slots"]:
        console.print(f"  next run  {report['next_slots'][0]['schedule_time']}")
    if report.get("last_run"):
        console.print(f"  last run  {_last(report)}")
    _print_warnings(report)


def _print_warnings(shown: dict[str, Any]) -> None:
    for warning in shown.get("warnings") or ():
        sys.stderr.write(f"campanile: {warning['message']}\n")


def _days(period: dict[str, Any]) -> str:
    if period["type"] == "absolute":
        return f"{period['start']} to {period['end']}"
    if "preset" in period:
        return str(period["preset"]).replace("_", " ")
    return f"{period['days']} days, ending {period['offset_days'] + 1} days before the file date"


def _when(report: dict[str, Any]) -> str:
    schedule = report["schedule"]
    if schedule is None:
        return "none"
    if schedule["type"] == "once":
        return f"once, {schedule['at']}"
    days = ", ".join(WEEKDAYS[number - 1] for number in schedule.get("weekdays", ()))
    parts = [schedule["type"], days, f"day {schedule['day']}" if "day" in schedule else "", schedule["time"]]
    return f"{' '.join(part for part in parts if part)} {schedule['time_zone']}"


def _last(report: dict[str, Any]) -> str:
    last = report["last_run"]
    return f"{last['status'].lower()} {last.get('file_date', '')}".strip() if last else ""
