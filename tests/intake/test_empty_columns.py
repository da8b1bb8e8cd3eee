"""Inserts leave columns out that say nothing; what is stored is the same."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from campanile.engine.tables import OPTIONAL, TABLES
from campanile.intake.batch import joined
from campanile.intake.bulk import FEWEST_EVENTS
from campanile.intake.reading import ReadingOrder, read_events
from campanile.intake.service import IntakeRequest
from tests.intake.served import TIME, Sender, Served, ndjson
from tests.intake.worlds import CAMPAIGN, NOW, rows

SENT = {"type": "sent", "channel": "EMAIL", "campaign_id": CAMPAIGN, "user_id": "u-1", "time": TIME}
BOUGHT = {**SENT, "type": "conversion", "goal": "Goal 1", "attribution": "CLICK_THROUGH"}
FIELDS = sorted(TABLES["events"].keys() - {"event_id", "event_key", "sequence", "received_at"})


def many(like: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    """So many that they are read by columns."""
    return [{**like, "event_id": f"{tag}-{number}"} for number in range(FEWEST_EVENTS + 1)]


def written(served: Served, events: Sequence[dict[str, Any]]) -> dict[str, pa.ChunkedArray]:
    """The columns that an insert of these events names."""
    workspace = served.workspaces.get("w")
    assert workspace is not None
    request = IntakeRequest(workspace=workspace, request_id="r", format="ndjson")
    order = ReadingOrder(
        body=ndjson(*events),
        format="ndjson",
        workspace=workspace,
        policy=served.intake._policy(request),
        received_at=NOW,
    )
    batch = read_events(order).batch
    assert batch is not None
    return joined([batch], np.ones(len(batch), np.bool_), 1)


def test_only_columns_with_something_in_them_are_written(served: Served) -> None:
    assert TABLES["events"].keys() - written(served, many(SENT, "e")).keys() == OPTIONAL
    more = written(served, many({**BOUGHT, "locale": "en"}, "e"))
    assert more.keys() & OPTIONAL == {"locale", "goal", "attribution"}


def test_a_column_is_written_for_one_event_that_needs_it(served: Served) -> None:
    several = [*many(SENT, "e"), *many({**SENT, "locale": "en"}, "f")]
    assert set(written(served, several)["locale"].to_pylist()) == {"", "en"}


@pytest.mark.parametrize(
    "like",
    [
        SENT,
        {**BOUGHT, "revenue": 0, "currency": "EUR"},
        {**BOUGHT, "revenue": "12.5", "currency": "EUR", "locale": "en"},
        {**SENT, "type": "open", "machine": True},
        {**SENT, "type": "open", "machine": False},
    ],
    ids=["nothing", "no-revenue", "revenue", "machine", "person"],
)
def test_what_is_stored_does_not_depend_on_the_company(served: Served, like: dict[str, Any]) -> None:
    async def scenario(send: Sender) -> None:
        together = await send.events(*many(like, "together"))
        assert together.json()["accepted"] == FEWEST_EVENTS + 1, together.text
        alone = await send.events({**like, "event_id": "alone"})
        assert alone.json()["accepted"] == 1, alone.text

    served.run(scenario)
    stored = rows(served.engine, ", ".join(["event_id", *FIELDS]))
    assert len(stored) == FEWEST_EVENTS + 2
    assert len({row[1:] for row in stored}) == 1
    revenue = dict(zip(FIELDS, stored[0][1:], strict=True))["revenue"]
    assert revenue == (None if "revenue" not in like else Decimal(str(like["revenue"])))
