"""Stats: one page of ten campaigns over HTTP, against the bare SQL in the engine and against PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from tests.support.attribution import service as conversions
from tests.support.log import Family, campaign_of, workspace_of
from tests.support.postgres import postgres_database, postgres_server
from tests.support.processes import scratch_folder
from tests.support.server import Server

from bench.measure import Measured, Ratio, middle, seconds
from bench.traffic import NOW
from campanile.engine import Engine, open_engine
from campanile.engine.questions import parse_question
from campanile.kit.times import epoch_milliseconds, window
from campanile.settings import Settings
from campanile.stats.numbers import NumbersService
from campanile.stats.repository import StatsRepository

CAMPAIGNS = [f"{number:024x}" for number in range(1, 11)]
FIRST = NOW - timedelta(days=9)

FROM_THE_LOG = {"settled_after": "-1"}

FILL = """INSERT INTO campanile.events
(workspace_id, campaign_id, type, ts, user_id, event_key, sequence, received_at, channel, platform, instance_id,
    event_id)
SELECT '{workspace}', leftPad(lower(hex(1 + c)), 24, '0'), kind,
    toDateTime64('{start}', 3, 'UTC') + INTERVAL (u % 8) DAY + INTERVAL (u % 86000) SECOND,
    concat('customer-', toString(u)), reinterpretAsUInt128(sipHash128(c, u, kind)), 1, now64(3), 'EMAIL', 'EMAIL',
    leftPad(lower(hex(1 + c)), 24, '0'), concat(toString(c), '-', toString(u), '-', kind)
FROM (SELECT intDiv(number, {recipients}) AS c, number % {recipients} AS u FROM numbers({recipients} * 10))
ARRAY JOIN arrayConcat(['attempted', 'sent', 'delivered'], u % 3 = 0 ? ['open'] : [], u % 9 = 0 ? ['click'] : [])
    AS kind"""

ONE_QUERY = """-- keys: campaign_id, platform, type
-- sums: total, uniques
SELECT campaign_id, platform, type, count() AS total, uniqExact(user_key) AS uniques FROM {{events}}
WHERE campaign_id IN {campaigns:Array(String)} AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC') GROUP BY campaign_id, platform, type"""

POSTGRES_QUERY = """SELECT campaign_id, type, count(*), count(DISTINCT user_id) FROM events
WHERE workspace_id = 'w' AND campaign_id = ANY(%s) AND ts >= %s AND ts < %s GROUP BY campaign_id, type"""


def run(rounds: int = 7, recipients: int = 100_000) -> Measured:
    """Everything over the same events; the sides of a round right after each other."""
    with scratch_folder("bench") as folder, postgres_server() as address:
        server = Server(folder / "server", FROM_THE_LOG)
        server.start()
        credentials = server.create_workspace("Bench")
        with httpx.Client(auth=(credentials.workspace_id, credentials.manage_key)) as client:
            for campaign in CAMPAIGNS:
                body = {"channel": "EMAIL", "delivery_type": "ONE_TIME", "name": campaign}
                client.put(f"{server.url}/v1/campaigns/{campaign}", json=body).raise_for_status()
        server.stop()
        fill(folder / "server", credentials.workspace_id, recipients)
        fill(folder / "bare", credentials.workspace_id, recipients)
        engine = open_engine(Settings(data=str(folder / "bare")))
        asks = _asks(engine, credentials.workspace_id)
        server.start()
        try:
            with postgres_database(address) as url, psycopg.connect(url) as postgres:
                fill_postgres(postgres, engine, credentials.workspace_id, CAMPAIGNS)
                bench = _Bench(server, credentials, engine, asks, postgres, recipients)
                return Measured(tuple(bench.from_the_log(rounds)))
        finally:
            server.stop()
            engine.close()


class _Bench:
    """The same page asked of everybody."""

    def __init__(
        self, server: Server, credentials: Any, engine: Engine, asks: Any, postgres: Any, recipients: int
    ) -> None:
        self.server = server
        self._engine = engine
        self._asks = asks
        self._postgres = postgres
        self._workspace = credentials.workspace_id
        self._page = f"page of ten campaigns × {recipients:,} recipients, UNIQUE: "
        self._single = parse_question("single", ONE_QUERY)
        self._client = httpx.Client(
            timeout=120,
            auth=(credentials.workspace_id, credentials.report_key),
            headers={"MOE-APPKEY": credentials.workspace_id},
        )
        self._days = window(*_days(), "UTC")

    def from_the_log(self, rounds: int) -> list[Ratio]:
        """A server that counts everything anew."""
        work = {"http": self._over_http, "bare": self._questions, "single": self._one_query}
        times = _times({**work, "postgres": self._in_postgres}, rounds)
        return [
            self._ratio(
                times, "our answer from the log, over HTTP ÷ the same questions asked of the engine", "≤ 1.3", "http",
                "bare",
            ),
            self._ratio(
                times, "our answer from the log ÷ one hand-written query (counts only)", "–", "http", "single"
            ),
            self._ratio(
                times, "PostgreSQL 15 with a covering index (counts only) ÷ our answer from the log", "–", "postgres",
                "http",
            ),
        ]  # fmt: skip

    def _over_http(self) -> None:
        body = {
            "request_id": "bench",
            "campaign_ids": CAMPAIGNS,
            "start_date": self._days.first.isoformat(),
            "end_date": self._days.last.isoformat(),
            "attribution_type": "VIEW_THROUGH",
            "metric_type": "UNIQUE",
        }
        answer = self._client.post(f"{self.server.url}/core-services/v1/campaign-stats", json=body)
        answer.raise_for_status()
        assert len(answer.json()["data"]) == len(CAMPAIGNS)

    def _questions(self) -> None:
        async def ask() -> None:
            await asyncio.gather(
                *(self._engine.answer(name, workspace, **parameters) for name, workspace, parameters in self._asks)
            )

        asyncio.run(ask())

    def _one_query(self) -> None:
        start, end = epoch_milliseconds(self._days.start), epoch_milliseconds(self._days.end)
        parameters = {"campaigns": CAMPAIGNS, "start": start, "end": end, "workspace": self._workspace}
        self._engine._run(self._single, parameters)

    def _in_postgres(self) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(POSTGRES_QUERY, (CAMPAIGNS, self._days.start, self._days.end))
            assert len(cursor.fetchall()) == 5 * len(CAMPAIGNS)

    def _ratio(self, times: Mapping[str, list[float]], what: str, aim: str, over: str, under: str) -> Ratio:
        values = tuple(a / b for a, b in zip(times[over], times[under], strict=True))
        detail = f"{middle(times[over]) * 1000:.0f} against {middle(times[under]) * 1000:.0f} ms"
        return Ratio(self._page + what, aim, values, detail)


def _times(work: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each side, one after the other in every round."""
    for side in work.values():
        side()
    return {name: list(values) for name, values in zip(
        work, zip(*([seconds(side) for side in work.values()] for _ in range(rounds)), strict=True), strict=True
    )}  # fmt: skip


def _days() -> tuple[date, date]:
    return FIRST.date(), FIRST.date() + timedelta(days=8)


def fill(data: Path, workspace: str, recipients: int) -> None:
    """Put the events of ten campaigns straight into the log of a stopped server."""
    engine = open_engine(Settings(data=str(data)))
    engine.migrate()
    start = datetime.combine(FIRST.date(), datetime.min.time()).isoformat(sep=" ")
    with engine._write() as client:  # type: ignore[attr-defined]
        client.command(FILL.format(workspace=workspace, start=start, recipients=recipients))
        client.command("OPTIMIZE TABLE campanile.events FINAL")
    engine.close()


def _asks(engine: Engine, workspace: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The questions one page asks, with their parameters."""
    recorded: list[tuple[str, str, dict[str, Any]]] = []
    answer = engine.answer

    async def record(question: str, tenant: str, **parameters: Any) -> Any:
        recorded.append((question, tenant, parameters))
        return await answer(question, tenant, **parameters)

    engine.answer = record  # type: ignore[method-assign, assignment]
    campaigns = [campaign_of({"campaign_id": identifier, "channel": "EMAIL"}) for identifier in CAMPAIGNS]
    service = NumbersService(StatsRepository(engine), Family(campaigns), conversions(engine, campaigns))
    days = window(*_days(), "UTC")
    tenant = workspace_of(workspace, {})
    asyncio.run(service.measure(tenant, campaigns, days, "VIEW_THROUGH", all_platforms=False))
    engine.answer = answer  # type: ignore[method-assign]
    return recorded


def fill_postgres(postgres: psycopg.Connection[Any], engine: Engine, workspace: str, campaigns: Sequence[str]) -> None:
    """The events of some campaigns, with the best index for the question."""
    with postgres.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE events (workspace_id text, campaign_id text, type text, ts timestamptz, user_id text)"
        )
        for campaign in campaigns:
            question = parse_question(
                "rows",
                "-- keys: t\nSELECT toString(type) AS t, ts, user_id FROM {{events}} WHERE campaign_id = {c:String}",
            )
            rows = engine._run(question, {"workspace": workspace, "c": campaign})
            with cursor.copy("COPY events FROM STDIN") as copy:
                for kind, instant, user in rows:
                    copy.write_row(("w", campaign, kind, instant, user))
        cursor.execute("CREATE INDEX ON events (workspace_id, campaign_id, type, ts) INCLUDE (user_id)")
    postgres.commit()
    postgres.autocommit = True
    postgres.execute("VACUUM ANALYZE events")
