"""Files say what the Stats API says: the worked examples of attribution, over the wire of the whole application."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campanile.attribution.rules import ATTRIBUTIONS
from campanile.metrics.registry import RATES, wire_names
from campanile.reports.columns import catalogue, columns_by_key
from campanile.reports.columns.definitions import Counted, GoalFigure, RegistryRate
from campanile.reports.columns.omissions import DIFFERENCES
from campanile.reports.schemas import CHANNELS
from campanile.workspaces.schemas import CreatedWorkspace
from tests.attribution.test_api import ask, document, send, sendable
from tests.oracle.attribution import instant
from tests.oracle.attribution_cases import CASES
from tests.reports.whole.shop import Reports
from tests.stats.inprocess import InProcess, running
from tests.support.clickhouse import ClusterInfo
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

NOW = datetime(2026, 4, 1, tzinfo=UTC)
TOKENS = {channel: token for token, channel in CHANNELS.items()}
NAMES = (
    "edge_both_control_groups",
    "edge_conversion_date_timezone",
    "edge_multiple_goals",
    "edge_parent_and_children",
    "edge_revenue_paths",
    "lim_campaigns_2",
    "revenue_both_models",
    "types_users_a_b_c",
)
"""Every channel is compared in `tests/reports/test_rows_numbers.py`, every example below the wire."""
ON_CLUSTER = ("edge_parent_and_children", "uplift_positive")
MODELS = {"all_interactions": ATTRIBUTIONS[:3], "last_interaction": ATTRIBUTIONS[3:]}
FIGURES = {
    "converted_users": "unique",
    "conversion_events": "total",
    "total_revenue": "revenue",
    "cvr": "cvr",
    "average_order_value": "average_order_value",
    "average_revenue_per_user": "average_revenue_per_user",
    "control_conversions": "unique",
    "control_cvr": "cvr",
}
"""Figures of goals, as the Stats API calls them; those of control groups are in the node of the group."""


@pytest.fixture(scope="module")
def server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, NOW) as server:
        yield server


@pytest.fixture(scope="module")
def on_cluster(embedded: EmbeddedEngine, cluster: ClusterInfo) -> Iterator[InProcess]:
    with running(embedded, NOW, cluster.url) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_embedded(server: InProcess, name: str) -> None:
    check(server, name)


@pytest.mark.parametrize("name", ON_CLUSTER)
def test_on_a_cluster(on_cluster: InProcess, name: str) -> None:
    check(on_cluster, name)


def check(server: InProcess, name: str) -> None:
    case = CASES[name]
    server.clock.set(NOW)
    owner = server.services.workspaces.create(name, id=name, timezone=case["settings"]["timezone"])
    changes = {"stats_dialect": "live"}
    if case["settings"].get("exclude_machine"):
        changes["attribution_exclude_machine"] = "true"
    server.configure(name, changes)
    assert server.import_campaigns(owner, [document(fields) for fields in case["campaigns"]])["failed"] == 0
    send(server, owner, [sendable(event) for event in case["events"]])
    answers = {kind: ask(server, owner, case, kind) for kind in ATTRIBUTIONS}
    compared = 0
    for model, kinds in MODELS.items():
        server.configure(name, {"attribution_model": model})
        whole, by_day = (made(server, owner, case, f"{model} {day}", by_day=day) for day in (False, True))
        for campaign_id, row in whole.items():
            for key, text in row.items():
                wanted = expected(case, answers, kinds[0], campaign_id, key)
                if wanted is not None and text:
                    assert rounded(Decimal(text)) == rounded(wanted), (campaign_id, key)
                    compared += bool(wanted)
        assert totals(by_day) == totals(whole)
    assert compared, "nothing but zeros"


def made(
    server: InProcess, owner: CreatedWorkspace, case: Mapping[str, Any], name: str, *, by_day: bool
) -> dict[str, dict[str, str]]:
    """The rows of a report with everything that is counted, by campaign; of the rows of days, their sums."""
    reports = Reports(server, owner)
    first, last = range_of(case)
    tokens = sorted({TOKENS[fields["channel"]] for fields in case["campaigns"]})
    model = server.services.workspaces.get(owner.workspace.id)
    assert model is not None
    report_id = reports.create(
        name.replace(" ", "_"),
        selection={
            "scopes": [{"channel": token} for token in tokens],
            "date_range": {"type": "absolute", "start": first.isoformat(), "end": last.isoformat()},
            "filters": {"include_archived": True},
        },
        content={
            "split": {"date": by_day, "child": True},
            "parent_totals": True,
            "columns": {token: list(chosen(token, model.settings.attribution_model)) for token in tokens},
        },
        schedule={"type": "once", "at": "2030-01-01T00:00"},
    )
    run = reports.make(report_id)
    assert run["status"] == "SUCCESSFUL", run
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with zipfile.ZipFile(io.BytesIO(reports.download(run["file_name"]).content)) as archive:
        for part in run["files"]:
            keys = {column.header: column.key for column in catalogue(part["channel"])}
            for row in csv.DictReader(io.StringIO(archive.read(part["name"]).decode())):
                cells = found[row["Campaign ID"]]
                for header, text in row.items():
                    key = f"{part['channel']}:{keys[header]}"
                    cells[key] = (
                        str(Decimal(cells[key]) + Decimal(text)) if text and cells.get(key) and is_total(key) else text
                    )
    return found


def chosen(token: str, model: str) -> Iterator[str]:
    yield "campaign.id"
    for key, column in columns_by_key(token).items():
        cell = column.cell
        if isinstance(cell, GoalFigure):
            shown = cell.figure in FIGURES and column.attribution_dependent.upper() in MODELS[model]
        else:
            shown = isinstance(cell, Counted | RegistryRate)
        if shown and not getattr(cell, "platform", ""):
            yield key


def is_total(key: str) -> bool:
    cell = columns_by_key(key.partition(":")[0])[key.partition(":")[2]].cell
    if isinstance(cell, GoalFigure):
        return cell.figure in ("conversion_events", "total_revenue")
    return isinstance(cell, Counted) and cell.metric_type == "TOTAL"


def totals(rows: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], Decimal]:
    """What adds up over days."""
    return {
        (campaign_id, key): Decimal(text)
        for campaign_id, row in rows.items()
        for key, text in row.items()
        if is_total(key) and text and Decimal(text)
    }


def expected(case: Mapping[str, Any], answers: Any, kind: str, campaign_id: str, key: str) -> Decimal | None:
    """What the Stats API says; None for what it does not have, or what files say in another way."""
    token, _, name = key.partition(":")
    if any((note.channel, note.key) == (token, name) for note in DIFFERENCES):
        return None
    cell = columns_by_key(token)[name].cell
    if isinstance(cell, GoalFigure):
        fields = next(item for item in case["campaigns"] if item["campaign_id"] == campaign_id)
        goals = fields.get("goals", [])
        attribution = str(cell.attribution).upper()
        nodes = answers[attribution][campaign_id]
        node = nodes.get(cell.group or "all_variations")
        if cell.goal > len(goals) or node is None:
            return None
        goal = node["conversion_goal_stats"][goals[cell.goal - 1]["goal_name"]]
        return Decimal(str(goal[FIGURES[cell.figure]]))
    if getattr(cell, "metric_type", "UNIQUE") == "UNIQUE":
        return None
    shown = answers[kind][campaign_id]["all_variations"]["performance_stats"]
    names = wire_names(cell.count) if isinstance(cell, Counted) else (RATES[cell.rate].key,)
    return next((Decimal(str(shown[name])) for name in names if name in shown), None)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def range_of(case: Mapping[str, Any]) -> tuple[date, date]:
    zone = ZoneInfo(case["settings"]["timezone"])
    days = [instant(event["ts"]).astimezone(zone).date() for event in case["events"]]
    return min(days), max(days)
