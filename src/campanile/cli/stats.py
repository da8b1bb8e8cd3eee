"""`campanile stats`."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.goal_table import LABELS, goal_table
from campanile.cli.options import WrongUsage
from campanile.cli.output import print_json, stdout, table
from campanile.client import CampanileClient, RetryPolicy
from campanile.clock import Clock, SystemClock

IDS_PER_REQUEST = 10
"""Campaigns one request may name."""
ATTEMPTS = 4
"""Times a request is sent; somebody is waiting in front of it."""
PAGE = 10
"""Campaigns per page; the most the API gives."""
MAX_PAGES = 10_000
"""Pages asked for at most, should a server never come to an end."""
LABEL_WIDTH = 52
"""Characters that platform, locale and variation may take in a table."""
NUMBER_WIDTH = 7
_LAST = re.compile(r"(\d{1,3})d")


class Cell(NamedTuple):
    """The numbers of one platform, locale and variation of a campaign."""

    campaign: str
    platform: str
    locale: str
    variation: str
    node: dict[str, Any]


def stats(
    *,
    campaign: Annotated[
        list[str] | None, Parameter(negative="", consume_multiple=True, help="Campaign ids; without, all active ones.")
    ] = None,
    from_: Annotated[str, Parameter(name="--from", help="First day, YYYY-MM-DD.")] = "",
    to: Annotated[str, Parameter(help="Last day, YYYY-MM-DD; today (UTC) if not given.")] = "",
    last: Annotated[str, Parameter(help="Instead of --from: so many days up to --to, such as 7d or 30d.")] = "",
    metric_type: Annotated[Literal["TOTAL", "UNIQUE"], Parameter(help="What is counted.", show_default=True)] = "TOTAL",
    attribution: Annotated[
        Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"],
        Parameter(help="How conversions are credited.", show_default=True),
    ] = "VIEW_THROUGH",
    format: Annotated[Literal["table", "json", "csv"], Parameter(help="What is printed.", show_default=True)] = "table",
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Ask a server that speaks the Stats API for campaign statistics; at most 31 days at a time."""
    first, final = _days(from_, to, last, SystemClock())
    with connect(server, workspace, key, RetryPolicy(attempts=ATTEMPTS)) as client:
        query = {"metric_type": metric_type, "attribution_type": attribution}
        data = collect(client, campaign or [], first.isoformat(), final.isoformat(), query)
    if format == "json":
        print_json(data)
    elif format == "csv":
        sys.stdout.write(as_csv(data))
    else:
        _print_tables(data, first, final, metric_type, attribution)
    missing = [given for given in campaign or [] if given not in data]
    if missing:
        sys.stderr.write(f"campanile: the server knows no campaign {', '.join(missing)}\n")
    return 1 if missing else 0


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


def collect(
    client: CampanileClient, campaigns: list[str], first: str, final: str, query: Mapping[str, str]
) -> dict[str, Any]:
    """The `data` of all pages together; ids are asked for in groups the API takes.

    Raises:
        ClientError: the server cannot be reached or refuses.
    """
    data: dict[str, Any] = {}
    wanted = list(dict.fromkeys(campaigns))
    groups = [wanted[start : start + IDS_PER_REQUEST] for start in range(0, len(wanted), IDS_PER_REQUEST)] or [[]]
    for group in groups:
        for number in range(MAX_PAGES):
            page = client.stats(
                start_date=first, end_date=final, campaign_ids=group, offset=number * PAGE, limit=PAGE, **query
            )
            data.update(page.data)
            if page.current_page >= page.total_pages or not page.data:
                break
    return data


def cells(data: dict[str, Any]) -> Iterator[Cell]:
    """All nodes of an answer in its own order."""
    for campaign, entries in data.items():
        for entry in entries:
            for platform, locales in entry.get("platforms", {}).items():
                for locale, variations in locales.get("locales", {}).items():
                    for variation, node in variations.get("variations", {}).items():
                        yield Cell(campaign, platform, locale, variation, node)


def as_csv(data: dict[str, Any]) -> str:
    """One line per node and number, so that campaigns of all channels fit one table."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("campaign_id", "platform", "locale", "variation", "block", "goal", "metric", "value"))
    for cell in cells(data):
        where = cell[:4]
        for block in ("performance_stats", "delivery_funnel", "failure_breakdown"):
            for name, value in cell.node.get(block, {}).items():
                writer.writerow((*where, block, "", _harmless(name), value))
        for goal, members in cell.node.get("conversion_goal_stats", {}).items():
            for name, value in members.items():
                if isinstance(value, int | float):
                    writer.writerow((*where, "conversion_goal_stats", _harmless(goal), name, value))
    return stream.getvalue()


def _harmless(text: str) -> str:
    """Spreadsheets take some first characters for formulas."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


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


def _print_tables(data: dict[str, Any], first: date, final: date, metric_type: str, attribution: str) -> None:
    console = stdout()
    console.print(f"{first} to {final}, {metric_type}, conversions {attribution}")
    if not data:
        console.print("No campaign has numbers in these days.")
    for campaign in data:
        found = list(cells({campaign: data[campaign]}))
        measured = [cell for cell in found if "performance_stats" in cell.node]
        names = list(dict.fromkeys(name for cell in measured for name in cell.node["performance_stats"]))
        # The API repeats some numbers under a second name.
        names = [name for name in names if not (name in ("open", "bounce") and {"opened", "bounced"} & set(names))]
        shown = [name for name in names if any(cell.node["performance_stats"].get(name) for cell in measured)]
        console.print(f"\nCampaign {campaign}")
        for names_of_table in _fitting(shown, console.width):
            rows = [
                (*cell[1:4], *(cell.node["performance_stats"].get(name, "") for name in names_of_table))
                for cell in measured
            ]
            console.print(table(("platform", "locale", "variation", *names_of_table), rows))
        if len(shown) < len(names):
            console.print(f"0 everywhere: {', '.join(name for name in names if name not in shown)}", soft_wrap=True)
        goals = goal_table(found)
        if goals.rows:
            labels = len(LABELS)
            for names_of_table in _fitting(list(goals.columns), console.width):
                places = [labels + goals.columns.index(name) for name in names_of_table]
                rows = [(*row[:labels], *(row[place] for place in places)) for row in goals.rows]
                console.print(table((*LABELS, *names_of_table), rows))
