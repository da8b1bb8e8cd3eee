"""How values look."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from campanile.dashboard import formats
from campanile.dashboard.navigation import Item, links


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (formats.number(1234567), "1,234,567"),
        (formats.number(0), "0"),
        (formats.number(-5), "−5"),
        (formats.number(1234.5), "1,234.5"),
        (formats.number(None), "–"),
        (formats.percent(12.345), "12.35\u202f%"),
        (formats.percent(100, 0), "100\u202f%"),
        (formats.percent(None), "–"),
        (formats.change(4.16), "+4.2\u202f%"),
        (formats.change(-4.16), "−4.2\u202f%"),
        (formats.change(None), "–"),
        (formats.money(Decimal("1234.5"), "EUR"), "1,234.50\u202fEUR"),
        (formats.money(0), "0.00"),
        (formats.money(None, "EUR"), "–"),
        (formats.count(1, "campaign", "campaigns"), "1 campaign"),
        (formats.count(1000, "campaign", "campaigns"), "1,000 campaigns"),
        (formats.day(date(2026, 3, 8)), "8 Mar 2026"),
        (formats.moment(datetime(2026, 3, 8, 23, 30, tzinfo=UTC), "Europe/Berlin"), "9 Mar 2026, 00:30"),
        (formats.moment(None), "–"),
        (formats.stamp(datetime(2026, 3, 8, 23, 30, 1, 5, tzinfo=UTC)), "2026-03-08T23:30:01+00:00"),
    ],
)
def test_formats(shown: str, expected: str) -> None:
    assert shown == expected


def test_links_follow_role_and_place() -> None:
    items = (Item("Home", ""), Item("Campaigns", "/campaigns"), Item("Users", "/users", "admin"))
    seen = links(items, "W", "viewer", "/w/W/campaigns/1")
    assert [(link.label, link.url, link.current) for link in seen] == [
        ("Home", "/w/W", False),
        ("Campaigns", "/w/W/campaigns", True),
    ]
    assert [link.current for link in links(items, "W", "admin", "/w/W")] == [True, False, False]
    assert [link.current for link in links(items, "W", "admin", "/w/W/campaigns-old")] == [False, False, False]
