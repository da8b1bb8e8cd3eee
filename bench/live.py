"""Queries while events come in: how much slower are the slowest ones than the usual ones?"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import NamedTuple

import httpx
from tests.support.processes import scratch_folder
from tests.support.server import Credentials, running_server

from bench.intake import OPEN_LIMITS
from bench.measure import Figure, Measured, Ratio, middle
from bench.traffic import NOW, bodies, post_all

EVENTS_PER_SECOND = 20_000
QUERIES_PER_SECOND = 20
PER_REQUEST = 2_000
BEFORE = 1_000_000
"""Events that are there before."""
CAMPAIGNS = 20
LIVE = 5
"""Campaigns that get the events; the others have been still for long."""

LOG_SHARE = 4
"""So many times shorter is the load on the log alone: its questions pile up, and every one is waited for."""
WARMING_SECONDS = 20.0
QUICK_SECONDS = 0.1
"""A page that comes faster was not counted from the log."""
QUICK_PAGES = 4
"""So many of them in a row, and all campaigns have their integers."""


def run(
    seconds: float = 12.0,
    rounds: int = 3,
    rate: int = EVENTS_PER_SECOND,
    before: int = BEFORE,
    warming: float = WARMING_SECONDS,
) -> Measured:
    """Every query asks for a page of ten of the campaigns, most of them still and some live. In every round also
    without integers, on the same log; one time this way round, one time the other."""
    loads: dict[bool, list[_Load]] = {True: [], False: []}
    with scratch_folder("bench") as folder:
        data = folder / "server"
        with running_server(data, OPEN_LIMITS) as server:
            credentials = server.create_workspace("Bench")
            server.run("workspace", "set", credentials.workspace_id, "rate_limit=1000000")
            post_all(server.url, credentials, bodies(before, "before", per_request=5_000, campaigns=CAMPAIGNS), 3)
        for number in range(rounds):
            for settled in (True, False) if number % 2 == 0 else (False, True):
                settings = OPEN_LIMITS if settled else {**OPEN_LIMITS, "settled_after": "-1"}
                with running_server(data, settings) as server:
                    name = f"live{number}{settled}"
                    loaded = seconds if settled else seconds / LOG_SHARE
                    loads[settled].append(_load(server.url, credentials, name, loaded, rate, warming))
    ours, log = loads[True], loads[False]
    pages = f"{QUERIES_PER_SECOND} pages per second, ten campaigns each, while {rate:,} events per second come in"

    def spread(of: list[_Load]) -> str:
        return f"{middle([each.slow for each in of]) * 1000:.0f} against {middle([e.usual for e in of]) * 1000:.0f} ms"

    return Measured(
        (
            Ratio(f"p99 ÷ p50 of {pages}", "≤ 5", tuple(each.slow / each.usual for each in ours), spread(ours)),
            Ratio(
                "p50 of the same pages from the log alone ÷ with integers that what comes in is added to",
                "–",
                tuple(one.usual / other.usual for one, other in zip(log, ours, strict=True)),
                f"{middle([e.usual for e in log]) * 1000:.0f} against {middle([e.usual for e in ours]) * 1000:.0f} ms",
            ),
            Ratio("p99 ÷ p50 from the log alone", "–", tuple(each.slow / each.usual for each in log), spread(log)),
        ),
        (
            Figure("events acknowledged per second meanwhile", f"{middle([each.rate for each in ours]):,.0f}"),
            Figure("… from the log alone", f"{middle([each.rate for each in log]):,.0f}"),
        ),
    )


class _Load(NamedTuple):
    """What queries took, in seconds, and how many events came in per second."""

    usual: float
    slow: float
    rate: float


def _load(url: str, credentials: Credentials, name: str, seconds: float, rate: int, warming: float) -> _Load:
    batches = bodies(int(rate * seconds), name, per_request=PER_REQUEST, campaigns=LIVE)
    queries = _Queries(url, credentials)
    queries.warm(warming)
    with ThreadPoolExecutor(1) as background:
        sending = background.submit(_send, url, credentials, batches, rate)
        times = sorted(queries.paced(seconds))
        return _Load(_quantile(times, 0.5), _quantile(times, 0.99), sending.result())


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _send(url: str, credentials: Credentials, batches: list[bytes], rate: int) -> float:
    """Post the batches at a rate, or as fast as they are taken; events acknowledged per second."""
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {credentials.ingest_key}"}
    started = time.perf_counter()
    with httpx.Client(timeout=120, headers=headers) as client, ThreadPoolExecutor(5) as pool:
        answers = []
        for number, batch in enumerate(batches):
            _wait_until(started + number * PER_REQUEST / rate)
            answers.append(pool.submit(client.post, f"{url}/v1/events", content=batch))
        for answer in answers:
            answer.result().raise_for_status()
    return len(batches) * PER_REQUEST / (time.perf_counter() - started)


class _Queries:
    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = url
        self._credentials = credentials
        self._numbers = itertools.count()

    def paced(self, seconds: float) -> list[float]:
        """Seconds that each question took, from when it was due: whoever waits for the one before it waits as well."""
        count = int(seconds * QUERIES_PER_SECOND)
        with self._client() as client, ThreadPoolExecutor(10) as pool:
            started = time.perf_counter()
            answers = []
            for number in range(count):
                due = started + number / QUERIES_PER_SECOND
                _wait_until(due)
                answers.append(pool.submit(self._ask, client, due))
            return [answer.result() for answer in answers]

    def warm(self, seconds: float) -> None:
        """Ask one page after the other until they are quick, or for as long as it is worth to wait for that."""
        until, quick = time.perf_counter() + seconds, 0
        with self._client() as client:
            while quick < QUICK_PAGES and time.perf_counter() < until:
                quick = quick + 1 if self._ask(client, time.perf_counter()) < QUICK_SECONDS else 0

    def _client(self) -> httpx.Client:
        auth = (self._credentials.workspace_id, self._credentials.report_key)
        return httpx.Client(timeout=120, auth=auth, headers={"MOE-APPKEY": self._credentials.workspace_id})

    def _ask(self, client: httpx.Client, due: float) -> float:
        first = next(self._numbers)
        body = {
            "request_id": "bench",
            "campaign_ids": [f"{(first + number) % CAMPAIGNS:024x}" for number in range(10)],
            "start_date": (NOW - timedelta(days=3 + first % 7)).date().isoformat(),
            "end_date": NOW.date().isoformat(),
            "attribution_type": "VIEW_THROUGH",
            "metric_type": "UNIQUE",
        }
        client.post(f"{self._url}/core-services/v1/campaign-stats", json=body).raise_for_status()
        return time.perf_counter() - due


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))
