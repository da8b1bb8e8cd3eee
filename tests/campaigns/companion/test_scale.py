"""Search among 100,000 campaigns: which index it reads, and how much it asks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, text

from campanile.campaigns.companion.schemas import CampaignQuery, parse_query
from campanile.campaigns.companion.service import CompanionService
from campanile.clock import FixedClock
from campanile.kit.times import epoch_milliseconds
from campanile.metadata import Metadata
from campanile.metadata.models import Base, CampaignRow, ListedCampaignRow
from campanile.workspaces.schemas import Workspace

CAMPAIGNS = 100_000
START = datetime(2020, 1, 1, tzinfo=UTC)
PAGE: dict[str, Any] = {"request_id": "r", "limit": 15, "page": 1}


class NoReach:
    async def reach(self, *_: Any) -> dict[str, int]:
        return {}


@pytest.fixture(name="service")
def _service(metadata: Metadata, clock: FixedClock, workspace: Workspace) -> CompanionService:
    """Over a workspace with many campaigns, written past the import for speed; `W` is its id."""
    with metadata.begin() as connection:
        fill(connection, workspace.id)
    if metadata.dialect == "postgresql":  # as autovacuum does within a minute
        with metadata.begin() as connection:
            connection.execute(text("ANALYZE campaigns, listed_campaigns"))
    return CompanionService(metadata, NoReach(), clock)


def fill(connection: Connection, workspace_id: str) -> None:
    campaigns, listed = [], []
    for number in range(CAMPAIGNS):
        name, created = f"{number:024x}", START + timedelta(minutes=number)
        parent = f"{number - 1:024x}" if number % 100 == 99 else None
        shared = {
            "workspace_id": workspace_id, "campaign_id": name, "channel": "EMAIL", "status": "SENT",
            "parent_id": parent, "flow_id": None, "delivery_type": "PERIODIC",
        }  # fmt: skip
        campaigns.append({
            **shared, "name": f"Campaign {number}", "created_at": created, "updated_at": created, "traits": "{}",
            "observed": "{}", "source": "api", "revision": 1, "version": 1,
            "document": f'{{"campaign_id":"{name}","channel":"EMAIL","status":"SENT"}}',
        })  # fmt: skip
        listed.append({
            **shared, "name_key": f"campaign {number}", "own_name": True, "own_delivery_type": True, "tagged_as": name,
            "created": epoch_milliseconds(created), "sent": 0, "active": 0,
        })  # fmt: skip
    _write(connection, CampaignRow, campaigns)
    _write(connection, ListedCampaignRow, listed)


def _write(connection: Connection, table: type[Base], rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(insert(table), rows)
        return
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY {table.__tablename__} ({','.join(rows[0])}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(list(row.values()))


def query(**body: Any) -> CampaignQuery:
    return parse_query({**PAGE, **body}, "search")


@pytest.mark.slow
def test_searches_read_an_index_and_a_handful_of_rows(metadata: Metadata, service: CompanionService) -> None:
    statements: list[tuple[str, Any]] = []
    event.listen(
        metadata.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, parameters, *_: statements.append((statement, parameters)),
    )
    found = service.search("W", query(include_child_campaigns=True))
    assert (len(found.rows), found.total) == (15, CAMPAIGNS)
    assert found.rows[0]["campaign_id"] == f"{CAMPAIGNS - 1:024x}"
    asked = [statement for statement in statements if statement[0].lstrip().startswith("SELECT")]
    assert len(asked) <= 4, "how many there are, one page of ids, their documents, those of their parents"
    count, *others = asked
    assert "count(*)" in count[0], "it may look at all the narrow rows, and at no others"
    assert not re.search(r"\bcampaigns\b", _plan(metadata, *count))
    for statement in others:
        plan = _plan(metadata, *statement)
        assert re.search(r"INDEX|Index", plan), plan
        assert not re.search(r"TEMP B-TREE|Sort|SCAN|Seq Scan", plan), plan
    one = service.search("W", query(campaign_fields={"id": f"{CAMPAIGNS // 2:024x}"}))
    assert (len(one.rows), one.total) == (1, 1)
    last = service.search("W", query(page=-(-CAMPAIGNS * 99 // 1500)))
    assert [row["campaign_id"] for row in last.rows][-1] == f"{0:024x}"
    named = service.search("W", query(campaign_fields={"name": f"campaign {CAMPAIGNS - 10}"}))
    assert named.total == 1


def _plan(metadata: Metadata, statement: str, parameters: Any) -> str:
    prefix = "EXPLAIN QUERY PLAN " if metadata.dialect == "sqlite" else "EXPLAIN "
    with metadata.read() as connection:
        return "\n".join(str(row) for row in connection.exec_driver_sql(prefix + statement, parameters))
