"""Several files that are made at the same time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from campanile.engine import Engine
from campanile.kit.times import window
from campanile.reports import rows as rows_module
from campanile.reports.schemas import Splits
from tests.reports.past import Register, read, rows_service, spec_of
from tests.support.log import campaign_of, workspace_of, write

DAYS = window(date(2025, 3, 1), date(2025, 3, 3), "UTC")


def test_files_that_are_made_together_leave_room_for_others(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two portions are counted at a time, not two of every file."""
    known = [campaign_of({"campaign_id": f"{number:024x}", "channel": "EMAIL"}) for number in range(1, 13)]
    sent = {"type": "sent", "ts": "2025-03-01T12:00:00Z", "channel": "EMAIL", "platform": "EMAIL", "user_id": "u"}
    write(chdb_engine, "w", [{**sent, "event_id": c.campaign_id, "campaign_id": c.campaign_id} for c in known])
    monkeypatch.setattr(rows_module, "ROWS_PER_PORTION", 1)
    service = rows_service(chdb_engine, Register(known, None))
    lock, asking, most = threading.Lock(), 0, 0
    ask = chdb_engine.ask_table

    def counted(*arguments: Any, **parameters: Any) -> Any:
        nonlocal asking, most
        with lock:
            asking += 1
            most = max(most, asking)
        time.sleep(0.02)  # long enough for all who may to come along
        found = ask(*arguments, **parameters)
        with lock:
            asking -= 1
        return found

    monkeypatch.setattr(chdb_engine, "ask_table", counted)
    spec = spec_of(["EMAIL"], Splits(), columns={"EMAIL": ["campaign.id", "campaign-stats.sent"]})
    with ThreadPoolExecutor(3) as pool:
        files = [pool.submit(read, service, workspace_of("w", {}), spec, DAYS) for _ in range(3)]
    assert [sum(row["campaign-stats.sent"] for row in file.result()[0]["EMAIL"]) for file in files] == [12] * 3
    assert most == 2
