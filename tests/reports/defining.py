"""Short ways to make and change definitions of reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campanile.errors import CampanileError
from campanile.reports.definitions import View
from campanile.reports.slots import Due, take_due
from tests.reports.samples import GONE, SMALL, changed
from tests.reports.shops import Shop

DAY = timedelta(days=1)
SIX = datetime(2025, 3, 6, 0, 30, tzinfo=UTC)
"""The next six o'clock in Kolkata."""
DRAFT = changed(SMALL, state="DRAFT", schedule=GONE, delivery=GONE)


def create(shop: Shop, base: dict[str, Any] = SMALL, **members: Any) -> View:
    return shop.definitions.create(shop.workspace, "ana", changed(base, **members))


def patch(shop: Shop, made: View, **members: Any) -> View:
    return shop.definitions.patch(shop.workspace, "ben", made.definition.id, members)


def replace(shop: Shop, made: View, raw: dict[str, Any], **options: Any) -> View:
    return shop.definitions.replace(shop.workspace, "ben", made.definition.id, raw, **options)


def refusal(kind: type[CampanileError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.error_type


def due(shop: Shop, limit: int = 100) -> list[Due]:
    with shop.metadata.begin() as connection:
        return take_due(connection, shop.clock.now(), limit)
