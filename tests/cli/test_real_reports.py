"""`campanile report …` from definition to file: against a real server, and downloads from one that is not ours."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_real_server import CAMPAIGN, CAMPANILE, call
from tests.support.server import Credentials, Server, running_server

pytestmark = pytest.mark.slow

PIECES = 30
"""Of the slow download, a tenth of a second apart."""


class Shop:
    """A server with a workspace, and the command line pointed at it."""

    def __init__(self, server: Server, credentials: Credentials) -> None:
        self.server = server
        self.credentials = credentials

    def report(self, *arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
        place = ("--server", self.server.url, "--workspace", self.credentials.workspace_id)
        return call("report", *arguments, *place, "--key", key or self.credentials.manage_key)

    def json(self, *arguments: str) -> Any:
        done = self.report(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with running_server(tmp_path / "data") as server:
        shop = Shop(server, server.create_workspace("Shop"))
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        rows = [
            {"event_id": f"e{number}", "type": "sent", "time": f"{yesterday}T12:00:00Z", "campaign_id": CAMPAIGN,
             "channel": "EMAIL", "user_id": f"u{number}"}
            for number in range(7)
        ]  # fmt: skip
        path = tmp_path / "events.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        place = ("--server", server.url, "--workspace", shop.credentials.workspace_id)
        done = call("import", str(path), *place, "--key", shop.credentials.ingest_key)
        assert done.returncode == 0, done.stderr
        yield shop


def test_from_a_definition_to_a_file(shop: Shop, tmp_path: Path) -> None:
    daily = ("--channel", "EMAIL", "--period", "last_7_days", "--schedule", "daily", "--time", "06:00")
    created = shop.report("create", "Daily mail", *daily)
    assert created.returncode == 0, created.stderr
    assert "Daily mail (rep_" in created.stdout
    (listed,) = shop.json("list")
    shown = shop.json("show", "Daily mail")
    assert listed["id"] == shown["id"]
    ran = shop.report("run", "Daily mail", "--wait")
    assert ran.returncode == 0, ran.stderr
    (name,) = [word.rstrip(",") for word in ran.stdout.split() if word.startswith("Daily_mail_")]
    loaded = shop.report("download", name, "-o", str(tmp_path), key=shop.credentials.report_key)
    assert loaded.returncode == 0, loaded.stderr
    assert "checksum is right" in loaded.stdout
    with zipfile.ZipFile(tmp_path / name) as archive:
        (member,) = archive.namelist()
        header, row = archive.read(member).decode().splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert (cells["Campaign ID"], cells["Total Sent"]) == (CAMPAIGN, "7")

    assert shop.report("delete", "Daily mail").returncode == 0
    assert shop.json("list") == []
    gone = shop.report("download", name, "-o", str(tmp_path / "gone.zip"), key=shop.credentials.report_key)
    assert (gone.returncode, "HTTP 400" in gone.stderr) == (2, True)
    assert not (tmp_path / "gone.zip").exists()


def test_a_report_made_at_once_in_another_format(shop: Shop, tmp_path: Path) -> None:
    created = shop.json("create", "Now", "--channel", "EMAIL", "--period", "last_7_days", "--format", "jsonl")
    name = f"Now_{created['next_slots'][0]['file_date']}.zip"
    loaded = shop.report(
        "download", name, "--wait", "2", "-o", str(tmp_path / "now.zip"), key=shop.credentials.report_key
    )
    assert loaded.returncode == 0, loaded.stderr
    with zipfile.ZipFile(tmp_path / "now.zip") as archive:
        (member,) = archive.namelist()
        row = json.loads(archive.read(member))
    assert row["campaign-stats.sent"] == 7


class Elsewhere(BaseHTTPRequestHandler):
    """Sends a file as MoEngage does: no checksum, no ranges; and slowly."""

    archive = b""
    asked: list[tuple[str, str]] = []  # noqa: RUF012 - of the one server of a test

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Signature"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/gzip")
        self.send_header("Content-Length", str(len(self.archive)))
        self.end_headers()
        size = len(self.archive) // PIECES + 1
        for start in range(0, len(self.archive), size):
            self.wfile.write(self.archive[start : start + size])
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def elsewhere() -> Iterator[str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("API_TX_PN_20260202.csv", os.urandom(3_000_000))
    Elsewhere.archive = buffer.getvalue()
    Elsewhere.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_download_from_elsewhere_shows_how_far_it_is(tmp_path: Path) -> None:
    with elsewhere() as url:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [
                CAMPANILE,
                "report",
                "download",
                "API_TX_PN_20260202",
                "--base-url",
                url,
                "--workspace",
                "APP",
                "--key",
                "k",
            ],
            stdout=subprocess.PIPE,
            stderr=follower,
            cwd=tmp_path,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        )
        os.close(follower)
        seen = b""
        while True:
            try:
                chunk = os.read(leader, 65_536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
        os.close(leader)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen
    assert b"/3.0 MB" in seen, "some of the file, out of all of it"
    assert "the server named no checksum" in output.decode()
    assert (tmp_path / "API_TX_PN_20260202.zip").read_bytes() == Elsewhere.archive
    signature = hashlib.sha256(b"APP|API_TX_PN_20260202|k").hexdigest()
    assert Elsewhere.asked == [("/campaign_reports/rest_api/APP/API_TX_PN_20260202", signature)]
