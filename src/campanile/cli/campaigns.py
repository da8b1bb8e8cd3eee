"""`campanile campaigns …`: which campaign is which."""

from __future__ import annotations

import csv
import io
import sys
from itertools import islice
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.options import WrongUsage
from campanile.cli.output import print_json, stderr, stdout, table
from campanile.client import RetryPolicy
from campanile.kit.spreadsheets import guarded

ATTEMPTS = 4
"""Times a request is sent; somebody is waiting in front of it."""
MAX_SHOWN = 10_000
"""Campaigns one call lists at most; each fifteen of them are a request."""
COLUMNS = ("campaign_id", "name", "channel", "type", "status", "created_at", "sent_time", "parent_id", "tags")
Many = list[str] | None


def search(
    name: Annotated[str, Parameter(help="Part of the name, in any case.")] = "",
    /,
    *,
    id: Annotated[Many, Parameter(negative="", consume_multiple=True, help="Ids.")] = None,
    channel: Annotated[
        Many, Parameter(negative="", consume_multiple=True, help="Channels, such as EMAIL PUSH.")
    ] = None,
    type: Annotated[
        Many, Parameter(negative="", consume_multiple=True, help="Types, such as ONE_TIME PERIODIC.")
    ] = None,
    status: Annotated[
        Many, Parameter(negative="", consume_multiple=True, help="Statuses, such as ACTIVE SENT; DRAFT shows drafts.")
    ] = None,
    tag: Annotated[Many, Parameter(negative="", consume_multiple=True, help="Tags, any of them.")] = None,
    created_from: Annotated[str, Parameter(help="First day of creation (UTC), YYYY-MM-DD.")] = "",
    created_to: Annotated[str, Parameter(help="Last day of creation (UTC), YYYY-MM-DD.")] = "",
    children: Annotated[bool, Parameter(negative="", help="Runs of parents and nodes of flows, too.")] = False,
    archived: Annotated[bool, Parameter(negative="", help="Archived ones, too.")] = False,
    limit: Annotated[int, Parameter(help="Campaigns to list at most.", show_default=True)] = 50,
    format: Annotated[
        Literal["table", "json", "csv"], Parameter(help="What is printed; json has everything.", show_default=True)
    ] = "table",
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Find campaigns, newest first. All conditions must hold."""
    if not 1 <= limit <= MAX_SHOWN:
        raise WrongUsage(f"--limit must be a number from 1 to {MAX_SHOWN}")
    created = {"from_date": created_from, "to_date": created_to}
    filters: dict[str, Any] = {
        "name": name, "ids": id, "channels": channel, "delivery_type": type, "status": status, "tags": tag,
        "created_date": {side: day for side, day in created.items() if day},
    }  # fmt: skip
    with connect(server, workspace, key, RetryPolicy(attempts=ATTEMPTS)) as client:
        found = client.campaigns.search_all(include_children=children, include_archived=archived, **filters)
        rows = list(islice(found, limit + 1))
    shown = rows[:limit]
    if format == "json":
        print_json(shown)
    elif format == "csv":
        sys.stdout.write(_csv(shown))
    elif shown:
        stdout().print(table(COLUMNS, [_line(row) for row in shown]))
    else:
        stdout().print("No campaign is like that.")
    if len(rows) > limit:
        stderr().print(f"There are more than {limit}: say --limit or narrow the search.", soft_wrap=True)
    return 0


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the API in the columns of the list; what it has not is empty."""
    basics = row.get("basic_details", {})
    return (
        row.get("campaign_id", ""), basics.get("name", ""), row.get("channel", ""),
        row.get("campaign_delivery_type", ""), row.get("status", ""), row.get("created_at", ""),
        row.get("sent_time", ""), row.get("parent_id", ""), ", ".join(basics.get("tags", ())),
    )  # fmt: skip


def _csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([guarded(cell) for cell in _line(row)])
    return stream.getvalue()
