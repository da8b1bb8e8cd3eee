"""The part of `campanile demo` that makes reports and downloads one of them."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from campanile.cli.connection import ServerFailed
from campanile.cli.demo_text import Keys
from campanile.cli.report import FINAL
from campanile.client import Client, ClientError, sign
from campanile.client.downloads import REPORTS
from campanile.demo import Demo
from campanile.demo.check import Comparison
from campanile.demo.reports import compare_mail, definitions

POLL_SECONDS = 0.5
"""Pause between two questions about a run."""
LINES = 4
"""Lines of a file that are shown."""


def make_reports(
    client: Client, console: Console, first: date, last: date, pause: Callable[[float], None]
) -> list[dict[str, Any]]:
    """Define the reports where they are missing, and make the files of each for these days; the runs.

    Raises:
        ServerFailed: a run made no file.
    """
    console.print(Rule("Campaign reports"))
    known = {report["name"]: report["id"] for report in client.reports.all()}
    days = {"window": {"start": first.isoformat(), "end": last.isoformat()}}
    runs = []
    for definition in definitions():
        name = definition["name"]
        defined = "there already" if name in known else "created"
        report_id = known.get(name) or client.reports.create(definition)["id"]
        run = client.reports.run(report_id, days)
        while run["status"] not in FINAL:
            pause(POLL_SECONDS)
            run = client.reports.run_state(run["id"])
        if run["status"] != "SUCCESSFUL":
            raise ServerFailed(f"the run {run['id']} of the report {name} ended as {run['status']}: {run['error']}")
        rows = sum(part["rows"] for part in run["files"])
        console.print(
            f"POST /v1/reports: “{name}” {defined}; POST /v1/reports/{report_id}/run: {run['file_name']}, "
            f"{rows} rows in {len(run['files'])} files, {run['size']:,} bytes",
            soft_wrap=True,
        )
        runs.append(run)
    return runs


def download(
    address: str, keys: Keys, console: Console, run: dict[str, Any], demo: Demo, first: date, last: date
) -> Comparison:
    """Download the daily report as any client would, show how its e-mail file begins, compare all of that."""
    name = run["file_name"]
    signature = sign(keys.workspace_id, name, keys.report_key)
    console.print(f"GET {address}{REPORTS}/{keys.workspace_id}/{name}", soft_wrap=True)
    console.print(f"Signature: sha256({keys.workspace_id}|{name}|{keys.report_key}) = {signature}\n", soft_wrap=True)
    with _fetched(address, keys, name) as path, zipfile.ZipFile(path) as archive:
        member = next(part["name"] for part in run["files"] if part["channel"] == "EMAIL")
        lines = archive.read(member).decode("utf-8").splitlines()
    _show(console, member, lines)
    return compare_mail(demo, csv.DictReader(io.StringIO("\n".join(lines))), first, last)


def _show(console: Console, member: str, lines: Sequence[str]) -> None:
    console.print(f"{member}:")
    for line in lines[:LINES]:
        console.print(f"  {line}", soft_wrap=True)
    if len(lines) > LINES:
        console.print(f"  … {len(lines) - LINES} more")


@contextmanager
def _fetched(address: str, keys: Keys, name: str) -> Iterator[Path]:
    """The file in a folder of its own, which is removed again.

    Raises:
        ServerFailed: it cannot be downloaded.
    """
    with tempfile.TemporaryDirectory(prefix="campanile-demo-") as folder:
        try:
            with Client(address, keys.workspace_id, keys.report_key) as client:
                yield client.download(name, Path(folder) / "report.zip").path
        except ClientError as error:
            raise ServerFailed(str(error)) from error
