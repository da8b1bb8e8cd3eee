"""Pages of the Stats API without campaign ids, over many campaigns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from tests.support.processes import scratch_folder
from tests.support.server import Server

from bench.dashboard import describe
from bench.measure import Measured, Ratio, middle, seconds
from bench.traffic import NOW
from campanile.engine import open_engine
from campanile.settings import Settings

CAMPAIGNS = 100_000
FEW = 1_000
EVENTS_EACH = 3

FILL = """INSERT INTO campanile.events
(workspace_id, campaign_id, type, ts, user_id, event_key, sequence, received_at, channel, platform, instance_id,
    event_id)
SELECT '{workspace}', leftPad(lower(hex(1 + intDiv(number, {each}))), 24, '0'), 'sent',
    now64(3, 'UTC') - INTERVAL 1 DAY, concat('customer-', toString(number % 1000)),
    reinterpretAsUInt128(sipHash128(number)), 1, now64(3), 'EMAIL', 'EMAIL', 'i', toString(number)
FROM numbers({each} * {campaigns})"""


def run(rounds: int = 7, many: int = CAMPAIGNS, few: int = FEW) -> Measured:
    """The first page, one in the middle and the last one, in turn."""
    with (
        scratch_folder("bench") as folder,
        _listing(folder / "many", many) as large,
        _listing(folder / "few", few) as small,
    ):
        places = {"first": 0, "middle": many // 2, "last": many - 10}
        at_first = seconds(lambda: large.page(0))
        small.page(0)
        times: dict[str, list[float]] = {}
        for number in range(rounds):
            for name, offset in places.items():
                times.setdefault(name, []).append(seconds(lambda at=offset + number: large.page(at)))  # type: ignore[misc]
            times.setdefault("few", []).append(seconds(lambda at=number: small.page(at)))  # type: ignore[misc]

    def ratio(what: str, aim: str, over: str, under: str) -> Ratio:
        values = tuple(a / b for a, b in zip(times[over], times[under], strict=True))
        detail = f"{middle(times[over]) * 1000:.0f} against {middle(times[under]) * 1000:.0f} ms"
        return Ratio(f"page of ten of {many:,} active campaigns, no ids: {what}", aim, values, detail)

    return Measured(
        (
            ratio("the last page ÷ the first one", "≤ 2", "last", "first"),
            ratio("one in the middle ÷ the first one", "≤ 2", "middle", "first"),
            ratio(f"the first page ÷ the first page of {few:,} campaigns", "≤ 2", "first", "few"),
            Ratio(
                f"page of ten of {many:,} active campaigns, no ids: the very first question after a start ÷ later ones",
                "–",
                (at_first / middle(times["first"]),),
                f"{at_first * 1000:,.0f} against {middle(times['first']) * 1000:.0f} ms",
            ),
        )
    )


class _Listing:
    def __init__(self, server: Server, workspace: str, report_key: str) -> None:
        self._url = f"{server.url}/core-services/v1/campaign-stats"
        self._client = httpx.Client(timeout=120, auth=(workspace, report_key), headers={"MOE-APPKEY": workspace})

    def page(self, offset: int) -> None:
        body = {
            "request_id": "bench",
            "start_date": (NOW - timedelta(days=5)).date().isoformat(),
            "end_date": NOW.date().isoformat(),
            "attribution_type": "VIEW_THROUGH",
            "metric_type": "UNIQUE",
            "offset": offset,
            "limit": 10,
        }
        answer = self._client.post(self._url, json=body)
        answer.raise_for_status()
        assert answer.json()["data"], answer.text[:300]


@contextmanager
def _listing(data: Path, campaigns: int) -> Iterator[_Listing]:
    server = Server(data)
    server.start()
    owner = server.create_workspace("Bench")
    server.run("workspace", "set", owner.workspace_id, "rate_limit=1000000")
    server.stop()
    describe(data, owner.workspace_id, campaigns)
    engine = open_engine(Settings(data=str(data)))
    with engine._write() as client:  # type: ignore[attr-defined]
        client.command(FILL.format(workspace=owner.workspace_id, campaigns=campaigns, each=EVENTS_EACH))
    engine.close()
    server.start()
    try:
        yield _Listing(server, owner.workspace_id, owner.report_key)
    finally:
        server.stop()
