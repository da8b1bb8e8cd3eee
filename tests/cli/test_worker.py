"""`campanile worker`: what it refuses before it opens anything. Real workers are in `tests/cluster/test_workers.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from campanile.cli.main import main
from campanile.cli.options import FATAL
from campanile.cli.worker import JOBS, worker_settings
from campanile.errors import ConfigurationError
from campanile.settings import Settings

CLUSTER = Settings(engine_url="clickhouse://127.0.0.1:8123/db", report_jobs=0)


def test_the_embedded_store_is_refused_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "--data", str(tmp_path / "data")]) == FATAL
    message = capsys.readouterr().err
    for name in ("CAMPANILE_REPORT_JOBS", "CAMPANILE_ENGINE_URL", "secret key"):
        assert name in message
    assert not (tmp_path / "data").exists()


def test_settings_of_servers_that_leave_the_work_to_workers_will_do() -> None:
    assert worker_settings(CLUSTER, None).report_jobs == JOBS
    assert worker_settings(CLUSTER, 5).report_jobs == 5
    assert worker_settings(Settings(engine_url=CLUSTER.engine_url, report_jobs=3), None).report_jobs == 3


def test_no_jobs_at_all_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        worker_settings(CLUSTER, 0)
