"""The whole life of a report file in a bucket: made, fetched in pieces, expired, deleted."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campanile.reports.files.store import PART_BYTES, FileUnreadable, StoreUnavailable, open_store
from tests.reports.files.test_store import read
from tests.reports.whole.shop import FILE_DATE, Reports, fill
from tests.stats.inprocess import running
from tests.support.engines import EmbeddedEngine
from tests.support.processes import wait_until
from tests.support.s3 import CREDENTIALS, list_bucket, make_bucket, s3_server, uploads_of

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
FILE = "0123456789abcdef01234567"
UPLOADING = """\
import sys, time
from campanile.reports.files.store import PART_BYTES, open_store
def chunks():
    for number in range(5):
        yield bytes([number]) * PART_BYTES
    print("uploaded", flush=True)
    time.sleep(60)
open_store(sys.argv[1]).put(sys.argv[2], chunks())
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def test_a_file_lives_in_a_bucket(embedded: EmbeddedEngine, s3: str) -> None:
    make_bucket(s3, "reports")
    with running(embedded, NOW, files_url=f"s3://reports/of/campanile?endpoint={s3}") as server:
        reports = Reports(server, fill(server))
        assert server.client.get("/readyz").status_code == 200
        run = reports.make(reports.create("Daily mail"))
        assert (run["status"], run["file_name"]) == ("SUCCESSFUL", f"Daily_mail_{FILE_DATE}.zip")
        (stored,) = list_bucket(s3, "reports")
        assert stored.startswith("of/campanile/")
        assert "Daily" not in stored, "names of reports are no part of paths"

        whole = reports.download(run["file_name"])
        assert whole.status_code == 200
        assert len(whole.content) == run["size"] == int(whole.headers["content-length"])
        assert whole.headers["etag"] == f'"{run["sha256"]}"'
        with zipfile.ZipFile(io.BytesIO(whole.content)) as package:
            assert package.namelist() == [f"Daily_mail_{channel}_{FILE_DATE}.csv" for channel in ("PUSH", "EMAIL")]
            assert package.read(package.namelist()[1]).decode().splitlines()[1].endswith(",Spring,5,0")
        part = reports.download(run["file_name"], Range="bytes=10-19")
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{run['size']}"
        known = reports.download(run["file_name"], **{"If-None-Match": whole.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        head = reports.download(run["file_name"], "HEAD")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(run["size"]))

        server.clock.advance(7 * 24 * 3600 - 1)
        assert reports.download(run["file_name"]).content == whole.content
        server.clock.advance(1)
        gone = reports.download(run["file_name"])
        assert (gone.status_code, gone.json()["error"]["message"]) == (400, "Report has expired")
        assert server.services.runs.purge() == 1
        assert list_bucket(s3, "reports") == []
        assert reports.download(run["file_name"]).json()["error"]["message"] == "Report has expired"
        assert reports.run(run["id"])["status"] == "EXPIRED"


def test_an_upload_that_is_killed_between_two_parts_leaves_nothing_to_see(s3: str) -> None:
    make_bucket(s3, "killed")
    url = f"s3://killed/prefix?endpoint={s3}"
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOADING, url, FILE], stdout=subprocess.PIPE, env={**os.environ, **CREDENTIALS}
    )
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == b"uploaded\n"
        wait_until(lambda: bool(uploads_of(s3, "killed")), process, what="the upload")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list_bucket(s3, "killed") == []
    store = open_store(url)
    with pytest.raises(FileUnreadable):
        read(store, FILE, 5 * PART_BYTES)
    store.put(FILE, iter([b"complete"]))
    assert read(store, FILE, 8) == b"complete"


def test_a_run_whose_store_goes_away_is_tried_again(embedded: EmbeddedEngine) -> None:
    """The bucket is not there at first: no file, no half of one, and the second attempt makes it."""
    with s3_server() as address, running(embedded, NOW, files_url=f"s3://late?endpoint={address}") as server:
        reports = Reports(server, fill(server))
        run = reports.make(reports.create("Daily mail"))
        assert (run["status"], run["attempt"], run["file_name"]) == ("QUEUED", 1, None)
        answer = reports.download(f"Daily_mail_{FILE_DATE}.zip")
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Report is not ready")
        make_bucket(address, "late")
        server.clock.advance(300)
        assert server.make_reports() == 1
        run = reports.run(run["id"])
        assert (run["status"], run["attempt"]) == ("SUCCESSFUL", 2)
        assert len(list_bucket(address, "late")) == 1
        assert reports.download(run["file_name"]).status_code == 200


def test_a_bucket_that_is_away_is_shown_while_statistics_go_on(embedded: EmbeddedEngine, tmp_path: Path) -> None:
    with running(embedded, NOW, files_url="s3://gone?endpoint=http://127.0.0.1:9&region=us-east-1") as server:
        answer: Any = server.client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert answer.json()["checks"]["files"] == "failed"
        with pytest.raises(StoreUnavailable):
            server.services.office.check()
