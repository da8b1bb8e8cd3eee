"""The tools of the agents' server, and its two ways to be reached: standard input and output, or HTTP."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any, TypeVar

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from campanile import __version__
from campanile.client import Client, ClientError
from campanile.mcp import tools
from campanile.mcp.explanations import explain
from campanile.mcp.tools import MAX_CAMPAIGNS, Answer, Attribution, MetricType

Connect = Callable[[str | None], AbstractContextManager[Client]]
"""A client for the caller, given its `Authorization` header (None on standard input and output)."""

INSTRUCTIONS = """\
Statistics of messaging campaigns, read-only. Find campaigns by name first, then ask for their numbers by id and dates.
Say whether numbers are TOTAL (events) or UNIQUE (people). Never add UNIQUE numbers up. Never add a parent to
its children. Give rates with the counts behind them. Before you call one variation or campaign better than another,
ask for the experiment result and its interval."""
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

Id = Annotated[str, Field(description="Campaign id, 24 hexadecimal digits.", min_length=1, max_length=64)]
Ids = Annotated[list[Id], Field(description="Campaign ids.", min_length=1, max_length=MAX_CAMPAIGNS)]
Day = Annotated[str, Field(description="YYYY-MM-DD in the workspace's time zone, inclusive.")]
Metric = Annotated[MetricType, Field(description="TOTAL counts events, UNIQUE counts people.")]
Model = Annotated[Attribution, Field(description="How conversions are credited; changes goals only.")]
Name = Annotated[str, Field(description="Part of the name, in any case.", max_length=512)]
Status = Annotated[str, Field(description="DRAFT, SCHEDULED, ACTIVE, PAUSED, COMPLETED, STOPPED, …; empty: any.")]
Limit = Annotated[int, Field(ge=1, le=15)]
Page = Annotated[int, Field(ge=1, le=100_000)]
Result = TypeVar("Result")


class BadCredentials(ValueError):
    """An `Authorization` header that is missing or cannot be read."""


def basic_credentials(header: str | None) -> tuple[str, str]:
    """Workspace id and key of a Basic header.

    Raises:
        BadCredentials: it is none.
    """
    scheme, _, token = (header or "").partition(" ")
    try:
        workspace, colon, key = b64decode(token, validate=True).decode("utf-8").partition(":")
    except (Base64Error, UnicodeDecodeError) as error:
        raise BadCredentials from error
    if scheme.lower() != "basic" or not colon:
        raise BadCredentials
    return workspace, key


def build(connect: Connect) -> MCPServer[Any]:
    """The server with all its tools."""
    server: MCPServer[Any] = MCPServer(
        "campanile", title="Campanile", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING"
    )
    tool = server.tool(annotations=READ_ONLY)

    async def ask(ctx: Context, question: Callable[[Client], Result]) -> Result:
        """Ask in a thread; what the server refuses becomes a sentence for the agent."""
        header = (ctx.headers or {}).get("authorization")

        def work() -> Result:
            with connect(header) as client:
                return question(client)

        try:
            return await anyio.to_thread.run_sync(work)
        except (ClientError, LookupError) as error:
            raise ToolError(str(error.args[0]) if error.args else str(error)) from error
        except BadCredentials as error:
            raise ToolError("Credentials are missing: send the workspace id and its key as Basic.") from error

    def searching(tool_name: str, channel: str, label: str, *, full: bool) -> None:
        async def search(
            ctx: Context,
            campaign_name: Name = "",
            campaign_id: Annotated[str, Field(max_length=64)] = "",
            status: Status = "",
            limit: Limit = 10,
            page: Page = 1,
            include_archived: bool = False,
            include_children: bool = False,
        ) -> Answer:
            options = {
                "name": campaign_name, "id": campaign_id, "status": status, "limit": limit, "page": page,
                "include_archived": include_archived, "include_children": include_children,
            }  # fmt: skip
            return await ask(ctx, lambda client: tools.search(client, channel, full=full, **options))

        extent = "with their whole configuration" if full else "by name, status and dates"
        description = f"Find {label} campaigns, newest first, {extent}. `more`: there may be another page."
        server.tool(name=tool_name, description=description, annotations=READ_ONLY)(search)

    for channel, label in (("EMAIL", "e-mail"), ("PUSH", "push"), ("SMS", "SMS")):
        searching(f"search_{channel.lower()}_campaigns", channel, label, full=False)
        searching(f"get_{channel.lower()}_campaigns", channel, label, full=True)

    @tool
    async def get_campaign_stats(
        ctx: Context,
        campaign_ids: Ids,
        start_date: Day,
        end_date: Day,
        metric_type: Metric = "TOTAL",
        attribution_type: Model = "VIEW_THROUGH",
    ) -> Answer:
        """Counts, rates and conversions per campaign and platform, at most 31 days."""
        query = _query(start_date, end_date, metric_type, attribution_type)
        return await ask(ctx, lambda client: tools.stats(client, campaign_ids, query))

    @tool
    async def get_detailed_campaign_stats(
        ctx: Context,
        campaign_ids: Annotated[list[Id], Field(min_length=1, max_length=10)],
        start_date: Day,
        end_date: Day,
        metric_type: Metric = "TOTAL",
        attribution_type: Model = "VIEW_THROUGH",
    ) -> Answer:
        """Everything about up to ten campaigns by platform, locale, variation and control group; long."""
        query = _query(start_date, end_date, metric_type, attribution_type)
        return await ask(ctx, lambda client: tools.detailed(client, campaign_ids, query))

    @tool
    async def get_delivery_stats(
        ctx: Context, campaign_ids: Ids, start_date: Day, end_date: Day, metric_type: Metric = "TOTAL"
    ) -> Answer:
        """Where messages were lost: funnel steps and failure reasons per platform, with control groups."""
        query = _query(start_date, end_date, metric_type, "VIEW_THROUGH")
        return await ask(ctx, lambda client: tools.delivery(client, campaign_ids, query))

    @tool
    async def get_campaign_content(ctx: Context, campaign_id: Id) -> Answer:
        """What a campaign says, per locale and variation, as far as its document has it."""
        return await ask(ctx, lambda client: tools.content(client, campaign_id))

    @tool
    async def get_campaign_details(ctx: Context, campaign_id: Id) -> Answer:
        """The whole configuration of one campaign of any channel, children and archived ones included."""
        return await ask(ctx, lambda client: tools.configuration(client, campaign_id))

    @tool
    async def get_campaign_executions(ctx: Context, campaign_id: Id) -> Answer:
        """The runs of a periodic or business-event campaign, the last hundred, earliest first."""
        return await ask(ctx, lambda client: tools.runs(client, campaign_id))

    @tool
    async def compare_campaigns(
        ctx: Context,
        campaign_ids: Annotated[list[Id], Field(min_length=2, max_length=10)],
        start_date: Day,
        end_date: Day,
        metrics: Annotated[list[str], Field(description="Such as ctr or sent; empty: all.", max_length=30)] = [],  # noqa: B006
        metric_type: Metric = "UNIQUE",
    ) -> Answer:
        """The same metrics of several campaigns side by side, each with its difference to the first."""
        query = _query(start_date, end_date, metric_type, "VIEW_THROUGH")
        return await ask(ctx, lambda client: tools.compare(client, campaign_ids, metrics, query))

    @tool
    async def get_experiment_result(
        ctx: Context,
        campaign_id: Id,
        start_date: Annotated[str, Field(description="First day of the sends; empty: from the beginning.")] = "",
        end_date: Annotated[str, Field(description="Last day; empty: today.")] = "",
        goal: Annotated[str, Field(description="Name of one goal; empty: all.", max_length=256)] = "",
    ) -> Answer:
        """What a campaign caused, by its control groups, and which variation is best, with intervals and verdicts."""
        days = {"start_date": start_date, "end_date": end_date, "goal": goal}
        return await ask(ctx, lambda client: client.experiment(campaign_id, **days))

    @tool
    async def explain_metric(
        name: Annotated[str, Field(description="Metric, funnel step or failure reason.", min_length=1, max_length=100)],
    ) -> Answer:
        """What a number means: definition, formula per channel, unit."""
        try:
            return explain(name)
        except LookupError as error:
            raise ToolError(str(error.args[0])) from error

    @tool
    async def list_reports(ctx: Context, name: Name = "") -> Answer:
        """Definitions of scheduled reports, newest first."""
        return await ask(ctx, lambda client: tools.reports(client, name))

    return server


def _query(first: str, last: str, metric_type: str, attribution: str) -> dict[str, str]:
    return {"start_date": first, "end_date": last, "metric_type": metric_type, "attribution_type": attribution}
