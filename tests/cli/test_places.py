"""Files in a bucket: read as those of a folder, with the same identity, and gone on with after an interruption."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.store import S3Store

from campanile.cli.importer.places import LocalFile, StoredObject, fingerprint
from campanile.cli.importer.sources import Position, expand, open_source
from campanile.cli.main import main
from campanile.errors import CampanileError
from tests.cli.fake_server import FakeServer, running
from tests.support.s3 import CREDENTIALS, make_bucket, s3_server

pytestmark = pytest.mark.slow


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"event_id": f"e{number}", "type": "click", "time": "2026-03-01T10:00:00Z", "user_id": f"u{number}"}
        for number in range(count)
    ]


def lines(count: int) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows(count)).encode()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        make_bucket(url, "events")
        store = S3Store("events", endpoint=url, client_options={"allow_http": True})
        obstore.put(store, "2026/03/a.ndjson", lines(30))
        obstore.put(store, "2026/03/b.ndjson.gz", gzip.compress(lines(40)))
        obstore.put(store, "2026/04/a.ndjson", lines(50))
        obstore.put(store, "2026/notes.txt", b"no events")
        table = pa.Table.from_pylist(rows(60))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, row_group_size=7)
        obstore.put(store, "2026/c.parquet", sink.getvalue().to_pybytes())
        yield url


def address(endpoint: str, key: str) -> str:
    return f"s3://events/{key}?endpoint={endpoint}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    monkeypatch.chdir(tmp_path)
    with running() as fake:
        yield fake


def load(server: FakeServer, *arguments: str) -> int:
    return main(["import", *arguments, "--server", server.url, "--workspace", "WS", "--key", "k", "--progress", "none"])


@pytest.mark.parametrize(
    ("key", "count"), [("2026/03/a.ndjson", 30), ("2026/03/b.ndjson.gz", 40), ("2026/c.parquet", 60)]
)
def test_every_format_is_read_and_from_any_row(endpoint: str, key: str, count: int) -> None:
    with_all = open_source(address(endpoint, key))
    everything = list(with_all.rows(Position()))
    with_all.close()
    assert [row.value for row in everything] == rows(count)
    half = open_source(address(endpoint, key))
    assert list(half.rows(everything[9].end)) == everything[10:]
    half.close()


def test_a_folder_is_its_files_of_events(endpoint: str) -> None:
    assert expand([address(endpoint, "2026/")]) == [
        address(endpoint, f"2026/{name}") for name in ("03/a.ndjson", "03/b.ndjson.gz", "04/a.ndjson", "c.parquet")
    ]


def test_the_same_content_is_the_same_file_wherever_it_is(endpoint: str, tmp_path: Path) -> None:
    path = tmp_path / "local"
    path.write_bytes(lines(30))
    assert fingerprint(StoredObject(address(endpoint, "2026/03/a.ndjson"))) == fingerprint(LocalFile(str(path)))


def test_a_folder_is_imported_and_an_interruption_leaves_its_state_here(
    endpoint: str, server: FakeServer, tmp_path: Path
) -> None:
    server.script = lambda _path, _lines: (403, {"error": {"message": "no"}}) if len(server.requests) > 2 else None
    assert load(server, address(endpoint, "2026/04/a.ndjson"), "--batch", "10", "--jobs", "1") == 2
    (state,) = tmp_path.iterdir()
    assert state.name == "2026_04_a.ndjson.campanile-import.json"
    server.script = lambda _path, _lines: None
    before = len(server.requests)
    assert load(server, address(endpoint, "2026/04/a.ndjson"), "--batch", "10", "--jobs", "1", "--resume") == 0
    assert len(server.requests) - before < 5, "what was acknowledged is not sent again"
    assert load(server, address(endpoint, "2026/")) == 0
    assert sorted(server.events) == sorted(row["event_id"] for row in rows(60))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s3://events/nothing.ndjson?endpoint={}", "cannot read s3://events/nothing.ndjson"),
        ("s3://events/none/?endpoint={}", "there is no file"),
        ("s3://nowhere/none/?endpoint={}", "cannot list"),
        ("s3://events/x.csv?endpoint={}&colour=red", "unknown option: colour"),
    ],
)
def test_what_is_not_there_is_named(endpoint: str, name: str, words: str) -> None:
    with pytest.raises(CampanileError, match=words):
        for each in expand([name.format(endpoint)]):
            open_source(each)
