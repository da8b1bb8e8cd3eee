"""Answers as objects, rows, frames and tables."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from campanile.client import MissingPackage, Row, Stats, Window, WindowStats
from tests.client.faulty import tree

DAY = date(2025, 10, 1)
BLOCKS: dict[str, Any] = {
    "performance_stats": {"sent": 1000, "ctr": 12.5},
    "conversion_goal_stats": {"Buy": {"goal_name": "Buy", "total": 3}},
    "delivery_funnel": {"sent": 1000},
    "failure_breakdown": {"f_c_removed": 1},
}
LABEL = (DAY, DAY, "TOTAL", "VIEW_THROUGH", "c1", "EMAIL", "all_locales", "all_variations")
ROWS = [
    Row(*LABEL, "performance_stats", "", "sent", 1000),
    Row(*LABEL, "performance_stats", "", "ctr", 12.5),
    Row(*LABEL, "delivery_funnel", "", "sent", 1000),
    Row(*LABEL, "failure_breakdown", "", "f_c_removed", 1),
    Row(*LABEL, "conversion_goal_stats", "Buy", "total", 3),
]


@pytest.fixture(name="answer")
def _answer() -> Stats:
    parts = (WindowStats(Window(DAY, DAY), {"c1": tree(**BLOCKS)}),)
    return Stats(metric_type="TOTAL", attribution_type="VIEW_THROUGH", parts=parts)


@pytest.fixture(name="nothing")
def _nothing() -> Stats:
    parts = (WindowStats(Window(DAY, DAY), {}),)
    return Stats(metric_type="TOTAL", attribution_type="VIEW_THROUGH", parts=parts)


def test_objects(answer: Stats) -> None:
    (node,) = answer
    assert (node.campaign_id, node.platform, node.locale, node.variation) == LABEL[4:]
    assert node.performance["ctr"] == 12.5
    assert node.goals["Buy"]["total"] == 3
    assert node.funnel == {"sent": 1000}
    assert node.failures == {"f_c_removed": 1}
    assert answer.aggregates() == (node,)
    assert answer.windows == (Window(DAY, DAY),)


@pytest.mark.parametrize(
    ("locale", "variation", "aggregate"),
    [("all_locales", "all_variations", True), ("all_locale", "all_variations", True), ("de", "all_variations", False),
     ("all_locales", "campaign_control_group", False)],
)  # fmt: skip
def test_aggregates_of_both_dialects(answer: Stats, locale: str, variation: str, aggregate: bool) -> None:
    data = {"c": [{"platforms": {"ios": {"locales": {locale: {"variations": {variation: {}}}}}}}]}
    found = Stats(metric_type="TOTAL", attribution_type="x", parts=(WindowStats(Window(DAY, DAY), data),))
    assert len(found.aggregates()) == aggregate
    assert found.nodes[0].performance == {}


def test_rows(answer: Stats, nothing: Stats) -> None:
    assert answer.rows() == ROWS
    assert nothing.rows() == []


def test_pandas(answer: Stats, nothing: Stats) -> None:
    frame = answer.to_pandas()
    assert list(frame.columns) == list(Row._fields)
    assert frame["value"].tolist() == [1000.0, 12.5, 1000.0, 1.0, 3.0]
    assert {str(frame[name].dtype) for name in ("start_date", "end_date")} == {"datetime64[s]"}
    assert frame["start_date"].dt.date.tolist() == [DAY] * 5
    empty = nothing.to_pandas()
    assert (len(empty), str(empty["value"].dtype)) == (0, "float64")


def test_polars(answer: Stats, nothing: Stats) -> None:
    frame = answer.to_polars()
    assert frame.columns == list(Row._fields)
    assert frame["value"].to_list() == [1000.0, 12.5, 1000.0, 1.0, 3.0]
    assert frame["start_date"].to_list() == [DAY] * 5
    assert nothing.to_polars().schema == frame.schema


def test_arrow(answer: Stats, nothing: Stats) -> None:
    table = answer.to_arrow()
    assert table.column_names == list(Row._fields)
    assert table.to_pylist() == [{**row._asdict(), "value": float(row.value)} for row in ROWS]
    assert nothing.to_arrow().schema == table.schema


@pytest.mark.parametrize(
    ("method", "package", "extra"),
    [("to_pandas", "pandas", "pandas"), ("to_polars", "polars", "polars"), ("to_arrow", "pyarrow", "arrow")],
)
def test_a_missing_package_is_named_with_its_extra(
    answer: Stats, monkeypatch: pytest.MonkeyPatch, method: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=rf"{package} is missing: pip install 'campanile\[{extra}\]'"):
        getattr(answer, method)()


def test_the_client_loads_no_server_and_no_frames() -> None:
    code = (
        "import sys\nfrom campanile.client import Client, AsyncClient\nClient('http://x.example', 'w', 'k').close()\n"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules} | "
        "{name for name in sys.modules if name.startswith('campanile.')})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    packages = {"litestar", "sqlalchemy", "clickhouse_connect", "chdb", "numpy", "pandas", "polars", "pyarrow"}
    assert loaded & packages == set()
    ours = {name for name in loaded if name.startswith("campanile.")}
    assert {name for name in ours if not name.startswith(("campanile.client", "campanile.kit"))} == set()
