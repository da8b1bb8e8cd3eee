"""`campanile stats`."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter
from rich.console import Console

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, ServerFailed, Workspace, connect
from campanile.cli.goal_table import LABELS, goal_table
from campanile.cli.options import OK, PROBLEMS, WrongUsage
from campanile.cli.output import stderr, stdout, table
from campanile.client import MissingPackage, Node, NotAdditive, RetryPolicy, Row, Stats, WrongQuestion
from campanile.client.frames import load, to_arrow
from campanile.client.stats import Attribution, MetricType
from campanile.client.windows import MAX_DAYS
from campanile.clock import Clock, SystemClock
from campanile.errors import InvalidInput
from campanile.kit.spreadsheets import guarded

ATTEMPTS = 4
"""Times a request is sent; somebody is waiting in front of it."""
LABEL_WIDTH = 52
"""Characters that platform, locale and variation may take in a table."""
NUMBER_WIDTH = 7
_LAST = re.compile(r"(\d{1,4})d")
Format = Literal["table", "json", "csv", "parquet"]


def stats(
    *,
    campaign: Annotated[
        list[str] | None, Parameter(negative="", consume_multiple=True, help="Campaign ids; without, all active ones.")
    ] = None,
    from_: Annotated[str, Parameter(name="--from", help="First day, YYYY-MM-DD.")] = "",
    to: Annotated[str, Parameter(help="Last day, YYYY-MM-DD; today (UTC) if not given.")] = "",
    last: Annotated[str, Parameter(help="Instead of --from: so many days up to --to, such as 7d or 30d.")] = "",
    metric_type: Annotated[MetricType, Parameter(help="What is counted.", show_default=True)] = "TOTAL",
    attribution: Annotated[
        Attribution, Parameter(help="How conversions are credited.", show_default=True)
    ] = "VIEW_THROUGH",
    window_days: Annotated[
        int | None, Parameter(help=f"Give one result per window of so many days (1-{MAX_DAYS}), not added up.")
    ] = None,
    format: Annotated[Format, Parameter(help="What is printed.", show_default=True)] = "table",
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="File to write; standard output if not given.")
    ] = None,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Ask a server that speaks the Stats API for campaign statistics.

    More than 31 days are asked for in parts. TOTAL numbers are put together again, as far as they count events. UNIQUE
    numbers count people and cannot be added up: say --window-days to get each part as a result of its own.
    """
    first, final = _days(from_, to, last, SystemClock())
    if format == "table" and output is not None:
        raise WrongUsage("--output goes with --format csv, json or parquet")
    if format == "parquet":
        _check_parquet(output)
    with connect(server, workspace, key, RetryPolicy(attempts=ATTEMPTS)) as client:
        try:
            answer = client.stats(
                campaign or None, start_date=first, end_date=final, metric_type=metric_type,
                attribution_type=attribution, window_days=window_days,
            )  # fmt: skip
        except NotAdditive as error:
            raise WrongUsage(str(error).replace("window_days=30", "--window-days 30")) from error
        except WrongQuestion as error:
            raise WrongUsage(str(error)) from error
    if format == "table":
        _print_tables(answer)
    else:
        _write(_content(answer, format), output)
    if answer.left_out:
        stderr().print(f"Not known for more than {MAX_DAYS} days: {', '.join(answer.left_out)}", soft_wrap=True)
    if answer.missing:
        sys.stderr.write(f"campanile: the server knows no campaign {', '.join(answer.missing)}\n")
    return PROBLEMS if answer.missing else OK


def _check_parquet(output: Path | None) -> None:
    """Before anything is asked: can the answer be written?"""
    try:
        load("pyarrow")
    except MissingPackage as error:
        raise ServerFailed(f"parquet cannot be written: {error}") from error
    if output is None and sys.stdout.isatty():
        raise WrongUsage("parquet is not for a terminal: say --output FILE")


def _days(from_: str, to: str, last: str, clock: Clock) -> tuple[date, date]:
    try:
        final = date.fromisoformat(to) if to else clock.now().date()
        if last:
            if from_:
                raise WrongUsage("--from and --last exclude each other")
            match = _LAST.fullmatch(last)
            if match is None or int(match[1]) < 1:
                raise WrongUsage("--last must be a number of days such as 30d")
            return final - timedelta(days=int(match[1]) - 1), final
        first = date.fromisoformat(from_) if from_ else final - timedelta(days=29)
    except ValueError as error:
        raise WrongUsage(f"dates must be of the form YYYY-MM-DD: {error}") from error
    return first, final


def _content(answer: Stats, format: Format) -> bytes:
    if format == "csv":
        return as_csv(answer).encode()
    if format == "json":
        return msgspec.json.encode(_json(answer)) + b"\n"
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(to_arrow(answer.rows()), buffer)
    return buffer.getvalue()


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror}") from error


def _json(answer: Stats) -> Any:
    """The API's `data`; of several windows a list, each with its days."""
    if len(answer.parts) == 1:
        return answer.data
    return [{"start_date": part.window.first, "end_date": part.window.last, "data": part.data} for part in answer.parts]


def as_csv(answer: Stats) -> str:
    """One line per node and number, so that campaigns of all channels fit one table."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in answer.rows():
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return stream.getvalue()


def _fitting(names: list[str], width: int) -> Iterator[list[str]]:
    """Names of columns in groups that fit the console, so that no number is cut."""
    group: list[str] = []
    left = width - LABEL_WIDTH
    for name in names:
        needed = max(len(name), NUMBER_WIDTH) + 3
        if group and needed > left:
            yield group
            group, left = [], width - LABEL_WIDTH
        group.append(name)
        left -= needed
    yield group


def _print_tables(answer: Stats) -> None:
    console = stdout()
    for part in answer.parts:
        first, last = part.window
        console.print(f"{first} to {last}, {answer.metric_type}, conversions {answer.attribution_type}")
        if not part.data:
            console.print("No campaign has numbers in these days.")
        nodes = msgspec.structs.replace(answer, parts=(part,)).nodes
        for campaign, found in groupby(nodes, key=lambda node: node.campaign_id):
            console.print(f"\nCampaign {campaign}")
            _print_campaign(console, list(found))


def _print_campaign(console: Console, nodes: list[Node]) -> None:
    measured = [node for node in nodes if node.performance]
    names = list(dict.fromkeys(name for node in measured for name in node.performance))
    # The API repeats some numbers under a second name.
    names = [name for name in names if not (name in ("open", "bounce") and {"opened", "bounced"} & set(names))]
    shown = [name for name in names if any(node.performance.get(name) for node in measured)]
    for group in _fitting(shown, console.width):
        rows = [
            (node.platform, node.locale, node.variation, *(node.performance.get(name, "") for name in group))
            for node in measured
        ]
        console.print(table(("platform", "locale", "variation", *group), rows))
    if len(shown) < len(names):
        console.print(f"0 everywhere: {', '.join(name for name in names if name not in shown)}", soft_wrap=True)
    goals = goal_table(nodes)
    if goals.rows:
        labels = len(LABELS)
        for group in _fitting(list(goals.columns), console.width):
            places = [labels + goals.columns.index(name) for name in group]
            lines = [(*row[:labels], *(row[place] for place in places)) for row in goals.rows]
            console.print(table((*LABELS, *group), lines))
