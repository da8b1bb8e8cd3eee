"""The commands against the real server: the demo, imports of every format, interruptions."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campanile.cli.importer import state as states
from tests.support.processes import free_ports, wait_until
from tests.support.server import Credentials, Server, running_server

pytestmark = pytest.mark.slow

CAMPANILE = str(Path(sys.executable).with_name("campanile"))
CAMPAIGN = "68e0c0ffee00000000000001"


def call(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CAMPANILE, *arguments], capture_output=True, text=True, timeout=timeout)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path / "data") as running:
        yield running


@pytest.fixture
def shop(server: Server) -> Credentials:
    return server.create_workspace("Shop")


def stats(server: Server, shop: Credentials, first: str, last: str, metric_type: str = "TOTAL") -> dict[str, Any]:
    """The e-mail numbers of our campaign."""
    done = call(
        "stats", "--campaign", CAMPAIGN, "--from", first, "--to", last, "--metric-type", metric_type,
        "--format", "json", "--server", server.url, "--workspace", shop.workspace_id, "--key", shop.report_key,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    locales = json.loads(done.stdout)[CAMPAIGN][0]["platforms"]["EMAIL"]["locales"]
    found: dict[str, Any] = locales["all_locales"]["variations"]["all_variations"]["performance_stats"]
    return found


def load(server: Server, shop: Credentials, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(
        "import", *arguments, "--server", server.url, "--workspace", shop.workspace_id, "--key", shop.ingest_key
    )


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}", "type": ("sent", "delivered", "open")[number % 3],
        "time": f"2014-05-{number % 20 + 1:02d}T10:00:{number % 60:02d}Z", "campaign_id": CAMPAIGN, "channel": "EMAIL",
        "user_id": f"u-{number % 700}",
    }  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_demo_checks_itself_and_a_second_run_adds_nothing(tmp_path: Path) -> None:
    arguments = ("demo", "--once", "--data", str(tmp_path / "demo"), "--port", str(free_ports(1)[0]))
    first = call(*arguments)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "REJECTED" not in first.stdout
    assert "all equal." in first.stdout
    assert "WSDEMO000000000000000001" in first.stdout
    assert "Campaign ID,Campaign Name,Total Sent,Total Delivered,Unique opens,Unique clicks" in first.stdout
    second = call(*arguments)
    assert second.returncode == 0, second.stdout + second.stderr
    assert " 0 accepted" in second.stdout
    assert "30 unchanged" in second.stdout
    assert second.stdout.count("there already; POST") == 2
    assert "all equal." in second.stdout


def test_the_demo_stays_and_its_lines_can_be_copied(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [CAMPANILE, "demo", "--data", str(tmp_path / "demo"), "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    try:
        wait_until(lambda: any("Serving at" in line for line in lines), process, seconds=240, what="campanile demo")
        commands = [line for line in lines if line.startswith("curl ")]
        assert len(commands) == 5
        outputs = [
            subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60, cwd=tmp_path).stdout
            for line in commands
        ]
        answers = [json.loads(output) for output in outputs[:4]]
        assert answers[0]["total_campaigns"] == 1
        assert answers[1]["accepted"] == 1
        assert answers[2]["campaign_id"] in commands[2]
        assert [report["name"] for report in answers[3]["reports"]] == ["Weekly tests", "Daily mail"]
        (package,) = tmp_path.glob("Daily_mail_*.zip")
        with zipfile.ZipFile(package) as archive:
            assert len(archive.namelist()) == 3
    finally:
        process.terminate()
        code = process.wait(60)
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
    assert code == 0


def test_history_comes_in_once_from_every_format(server: Server, shop: Credentials, tmp_path: Path) -> None:
    rows = [event(number) for number in range(3_000)]
    ndjson = write(tmp_path / "a.ndjson", rows)
    done = load(server, shop, str(ndjson), "--batch", "500")
    assert done.returncode == 0, done.stdout + done.stderr

    table = tmp_path / "b.csv"
    table.write_text(",".join(rows[0]) + "\n" + "".join(",".join(map(str, row.values())) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
    for path in (ndjson, table, tmp_path / "c.parquet"):
        done = load(server, shop, str(path), "--summary", str(tmp_path / "s.json"))
        assert done.returncode == 0, done.stdout + done.stderr
        total = json.loads((tmp_path / "s.json").read_text())["total"]
        assert (total["accepted"], total["duplicates"]) == (0, 3_000)

    found = stats(server, shop, "2014-05-01", "2014-05-31")
    assert (found["sent"], found["delivered"], found["opened"]) == (1_000, 1_000, 1_000)
    unique = stats(server, shop, "2014-05-01", "2014-05-31", "UNIQUE")
    assert unique["sent"] == len({row["user_id"] for row in rows if row["type"] == "sent"})


def test_bad_rows_are_reported_as_the_server_saw_them(server: Server, shop: Credentials, tmp_path: Path) -> None:
    rows = [event(number) for number in range(50)]
    del rows[10]["user_id"]
    rows[20]["type"] = "vanished"
    rows[30]["time"] = "1999-01-01T00:00:00Z"
    done = load(server, shop, str(write(tmp_path / "x.ndjson", rows)))
    assert done.returncode == 1, done.stdout + done.stderr
    errors = [json.loads(line) for line in (tmp_path / "x.ndjson.errors.ndjson").read_text().splitlines()]
    assert [(error["row"], error["code"]) for error in errors] == [
        (11, "missing_field"), (21, "unknown_type"), (31, "too_old"),
    ]  # fmt: skip


def test_an_import_survives_the_death_of_the_server(server: Server, shop: Credentials, tmp_path: Path) -> None:
    """The server is killed in the middle and started again: the import waits, and every event counts once."""
    rows = [event(number) for number in range(6_000)]
    path = write(tmp_path / "x.ndjson", rows)
    process = subprocess.Popen(
        [CAMPANILE, "import", str(path), "--server", server.url, "--workspace", shop.workspace_id, "--key",
         shop.ingest_key, "--batch", "100", "--progress", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    state = states.state_path(path)
    wait_until(state.exists, process, what="campanile import")
    server.kill()
    server.start()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    found = stats(server, shop, "2014-05-01", "2014-05-31")
    assert (found["sent"], found["delivered"], found["opened"]) == (2_000, 2_000, 2_000)


def test_an_import_that_is_killed_ends_like_one_that_is_not(server: Server, shop: Credentials, tmp_path: Path) -> None:
    rows = [event(number) for number in range(6_000)]
    path = write(tmp_path / "x.ndjson", rows)
    arguments = [str(path), "--batch", "100"]
    command = [CAMPANILE, "import", *arguments, "--server", server.url, "--workspace", shop.workspace_id, "--key",
               shop.ingest_key, "--progress", "none"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(states.state_path(path).exists, process, what="campanile import")
    process.kill()
    process.wait()
    assert states.load(states.state_path(path)) is not None
    done = load(server, shop, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "going on after" in done.stderr
    found = stats(server, shop, "2014-05-01", "2014-05-31")
    assert (found["sent"], found["delivered"], found["opened"]) == (2_000, 2_000, 2_000)


def test_admin_commands_work_beside_the_server(server: Server, shop: Credentials) -> None:
    server.run("workspace", "set", shop.workspace_id, "stats_enabled=false")
    body = {
        "request_id": "r", "start_date": "2025-01-01", "end_date": "2025-01-02", "metric_type": "TOTAL",
        "attribution_type": "VIEW_THROUGH",
    }  # fmt: skip
    address = f"{server.url}/core-services/v1/campaign-stats"
    headers = {"MOE-APPKEY": shop.workspace_id}
    answer = httpx.post(address, json=body, headers=headers, auth=(shop.workspace_id, shop.report_key))
    assert answer.status_code == 403
    findings = {found["check"]: found["level"] for found in json.loads(server.run("doctor", "--json"))}
    assert findings["events"] == "ok"
