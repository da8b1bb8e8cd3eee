"""The whole sample shop: campaign documents, events, and counts made from the same rows by other means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from hashlib import sha256

import msgspec
import numpy as np

from campanile.demo.documents import document
from campanile.demo.messages import Calendar, Scribe
from campanile.demo.orders import Orders, order_events, purchases, visits
from campanile.demo.people import People
from campanile.demo.plans import PLANS
from campanile.demo.table import Table

EVENTS_PER_REQUEST = 10_000
"""The most events one request may hold."""


class Batch(msgspec.Struct, frozen=True):
    """The body of one request to `POST /v1/events`."""

    body: bytes
    """NDJSON."""
    count: int


class Demo:
    """Deterministic: the same `today` and `seed` give the same documents, events and event ids."""

    def __init__(self, today: date, seed: int) -> None:
        self.today = today
        self.seed = seed
        self.calendar = Calendar(today)
        self.people = People(self._rng("people"))

    def _rng(self, purpose: str) -> np.random.Generator:
        digest = sha256(f"{self.seed}:{purpose}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))

    def documents(self) -> list[dict[str, object]]:
        """All campaign documents, parents first."""
        return [document(plan, self.calendar) for plan in PLANS]

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The message events per campaign."""
        return tuple(Scribe(plan, self.people, self.calendar, self._rng(plan.key)).write() for plan in PLANS)

    @cached_property
    def orders(self) -> Orders:
        return purchases(self.tables, self.people, self.calendar, self._rng("orders"))

    @property
    def estimate(self) -> int:
        """About how many events there are; never too many."""
        return sum(len(table) for table in self.tables) + int(self.orders.person.size)

    def events(self) -> Iterator[dict[str, object]]:
        """Every event: messages campaign by campaign, then purchases and visits."""
        for table in self.tables:
            yield from table.events(self.people)
        yield from order_events(self.orders, self.people)
        yield from self.visits()

    def visits(self) -> Iterator[dict[str, object]]:
        """Conversions that the tills of the shop attributed themselves."""
        for table in self.tables:
            yield from visits(table, self.people, self.calendar, self._rng(f"visits:{table.plan.key}"))

    def batches(self, size: int = EVENTS_PER_REQUEST) -> Iterator[Batch]:
        """The events as request bodies."""
        encoder = msgspec.json.Encoder()
        lines: list[bytes] = []
        for event in self.events():
            lines.append(encoder.encode(event))
            if len(lines) == size:
                yield Batch(b"\n".join(lines), len(lines))
                lines = []
        if lines:
            yield Batch(b"\n".join(lines), len(lines))


def build(today: date, seed: int = 1) -> Demo:
    """The sample shop as seen on `today`, which itself has no events yet."""
    return Demo(today, seed)
