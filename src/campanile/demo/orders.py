"""Purchases and shop visits: some follow a message, most happen anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from campanile.demo.messages import DAY, HOUR, MINUTE, Calendar
from campanile.demo.people import Ints, People
from campanile.demo.plans import CART_EVENT, CURRENCY, DAYS, PURCHASE_EVENT, VISIT_EVENT, VISIT_GOAL
from campanile.demo.table import VARIATIONS, Table, iso_times

ORDERS_PER_DAY = 110
"""Purchases a day that have nothing to do with any campaign."""
BUY_AFTER_CLICK = 0.085
BUY_AFTER_VIEW = 0.006
VISIT_AFTER_CLICK = 0.05
CATEGORIES: tuple[str, ...] = ("tents", "packs", "boots", "jackets", "headlamps", "food")
VIEWS: tuple[str, ...] = ("impression", "open", "read", "delivered")


class Orders(msgspec.Struct, frozen=True):
    """Purchases as parallel arrays; `source` numbers the table that caused them, -1 for none."""

    person: Ints
    time: Ints
    source: Ints
    cents: Ints
    items: Ints
    category: Ints


def purchases(tables: Sequence[Table], people: People, calendar: Calendar, rng: np.random.Generator) -> Orders:
    """All purchases before today, in order of time."""
    persons, times, sources = [], [], []
    for number, table in enumerate(tables):
        if PURCHASE_EVENT not in table.plan.goals:
            continue
        lifts = np.ones(len(VARIATIONS))
        for variation in table.plan.variations:
            lifts[VARIATIONS.index(variation.name)] = variation.lift
        for kinds, share in ((("click",), BUY_AFTER_CLICK), (VIEWS, BUY_AFTER_VIEW)):
            seen = table.select(*kinds)
            buying = (rng.random(seen["person"].size) < share * table.plan.buying * lifts[seen["variation"]]) & (
                seen["machine"] == 0
            )
            delay = rng.lognormal(np.log(35 * MINUTE), 1.2, size=int(buying.sum())).astype(np.int64)
            persons.append(seen["person"][buying])
            times.append(seen["time"][buying] + MINUTE + np.minimum(delay, 3 * DAY))
            sources.append(np.full(int(buying.sum()), number, dtype=np.int64))
    days_ago = np.repeat(np.arange(1, DAYS + 1), rng.poisson(ORDERS_PER_DAY, size=DAYS))
    persons.append(rng.integers(0, people.count, size=days_ago.size))
    times.append(calendar.daytimes(rng, days_ago))
    sources.append(np.full(days_ago.size, -1, dtype=np.int64))
    person, time, source = np.concatenate(persons), np.concatenate(times), np.concatenate(sources)
    order = np.lexsort((person, time))
    order = order[time[order] < calendar.end]
    count = order.size
    return Orders(
        person=person[order],
        time=time[order],
        source=source[order],
        cents=np.maximum(490, rng.lognormal(np.log(6_400), 0.7, size=count)).astype(np.int64),
        items=1 + rng.poisson(0.9, size=count).astype(np.int64),
        category=rng.integers(0, len(CATEGORIES), size=count),
    )


def order_events(orders: Orders, people: People) -> Iterator[dict[str, object]]:
    """The purchases as custom events, and an abandoned cart before some of them."""
    rows = zip(
        orders.person.tolist(), iso_times(orders.time), orders.cents.tolist(), orders.items.tolist(),
        orders.category.tolist(), iso_times(orders.time - 2 * HOUR), strict=True,
    )  # fmt: skip
    for number, (person, time, cents, items, category, earlier) in enumerate(rows, start=1):
        user = people.user_id(person)
        total = cents / 100
        if number % 4 == 0:
            yield {
                "event_id": f"nw-cart-{number}",
                "type": "custom",
                "name": CART_EVENT,
                "time": earlier,
                "user_id": user,
                "attributes": {"items": items, "category": CATEGORIES[category]},
            }
        yield {
            "event_id": f"nw-order-{number}",
            "type": "custom",
            "name": PURCHASE_EVENT,
            "time": time,
            "user_id": user,
            "revenue": f"{total:.2f}",
            "currency": CURRENCY,
            "attributes": {
                "order_id": f"NW-{200_000 + number}",
                "total": total,
                "items": items,
                "category": CATEGORIES[category],
            },
        }


def visits(table: Table, people: People, calendar: Calendar, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Visits to a store after a click, already attributed by the tills: one conversion per attribution type."""
    if VISIT_EVENT not in table.plan.goals:
        return
    clicks = table.select("click")
    chosen = (rng.random(clicks["person"].size) < VISIT_AFTER_CLICK) & (clicks["machine"] == 0)
    times = clicks["time"][chosen] + HOUR + rng.integers(0, 30 * HOUR, size=int(chosen.sum()))
    cents = np.maximum(990, rng.lognormal(np.log(4_200), 0.6, size=times.size)).astype(np.int64)
    rows = zip(
        clicks["person"][chosen].tolist(), clicks["variation"][chosen].tolist(), times.tolist(), iso_times(times),
        cents.tolist(), strict=True,
    )  # fmt: skip
    for number, (person, variation, instant, time, amount) in enumerate(rows, start=1):
        if instant >= calendar.end:
            continue
        for attribution in ("VIEW_THROUGH", "CLICK_THROUGH", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"):
            event: dict[str, object] = {
                "event_id": f"nw-visit-{table.plan.campaign_id[:10]}-{number}:{attribution}",
                "type": "conversion",
                "time": time,
                "campaign_id": table.plan.campaign_id,
                "channel": table.plan.channel,
                "user_id": people.user_id(person),
                "goal": VISIT_GOAL,
                "attribution": attribution,
                "revenue": f"{amount / 100:.2f}",
                "currency": CURRENCY,
            }
            if variation:
                event["variation"] = VARIATIONS[variation]
            yield event
