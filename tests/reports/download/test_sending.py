"""Conditions, ranges, HEAD, links, and files of runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from campanile.reports.delivery.secrets import link_token
from campanile.reports.download.conditions import Selection, http_date, select
from campanile.reports.download.signature import signature
from campanile.reports.runs.schemas import Run
from campanile.reports.runs.service import Query
from campanile.settings import Settings
from tests.reports.download.asgi import ask
from tests.reports.download.fixture import NOW, A, Answer, B, application
from tests.reports.runs.world import World
from tests.stats.inprocess import basic

NAME = "Report_-_test_20210217.zip"
MADE = datetime(2021, 2, 17, 6, 0, tzinfo=UTC)
ETAG = '"' + "a" * 64 + '"'
OTHER = '"' + "b" * 64 + '"'
DATE, EARLIER, LATER = (http_date(MADE + timedelta(hours=hours)) for hours in (0, -1, 1))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (200, 0, 99)),
        ({"Range": "bytes=0-3"}, (206, 0, 3)),
        ({"Range": "bytes=90-"}, (206, 90, 99)),
        ({"Range": "bytes=-10"}, (206, 90, 99)),
        ({"Range": "bytes=-1000"}, (206, 0, 99)),
        ({"Range": "bytes=50-1000"}, (206, 50, 99)),
        ({"Range": "bytes=99-99"}, (206, 99, 99)),
        ({"Range": "bytes=100-"}, (416, 0, -1)),
        ({"Range": "bytes=-0"}, (416, 0, -1)),
        ({"Range": "bytes=5-4"}, (200, 0, 99)),
        ({"Range": "bytes=-"}, (200, 0, 99)),
        ({"Range": "bytes=0-1,5-6"}, (200, 0, 99)),
        ({"Range": "lines=0-1"}, (200, 0, 99)),
        ({"Range": "bytes=a-b"}, (200, 0, 99)),
        ({"Range": "bytes=" + "9" * 5000 + "-"}, (200, 0, 99)),
        ({"If-None-Match": ETAG}, (304, 0, -1)),
        ({"If-None-Match": f"W/{ETAG}"}, (304, 0, -1)),
        ({"If-None-Match": f"{OTHER}, {ETAG}"}, (304, 0, -1)),
        ({"If-None-Match": "*"}, (304, 0, -1)),
        ({"If-None-Match": OTHER}, (200, 0, 99)),
        ({"If-None-Match": OTHER, "If-Modified-Since": DATE}, (200, 0, 99)),
        ({"If-Modified-Since": DATE}, (304, 0, -1)),
        ({"If-Modified-Since": LATER}, (304, 0, -1)),
        ({"If-Modified-Since": EARLIER}, (200, 0, 99)),
        ({"If-Modified-Since": "yesterday"}, (200, 0, 99)),
        ({"Range": "bytes=0-3", "If-Range": ETAG}, (206, 0, 3)),
        ({"Range": "bytes=0-3", "If-Range": OTHER}, (200, 0, 99)),
        ({"Range": "bytes=0-3", "If-Range": f"W/{ETAG}"}, (200, 0, 99)),
        ({"Range": "bytes=0-3", "If-Range": DATE}, (206, 0, 3)),
        ({"Range": "bytes=0-3", "If-Range": LATER}, (200, 0, 99)),
        ({"Range": "bytes=0-3", "If-Range": "nonsense"}, (200, 0, 99)),
        ({"Range": "bytes=100-", "If-None-Match": ETAG}, (304, 0, -1)),
    ],
)
def test_conditions_and_ranges(headers: dict[str, str], expected: tuple[int, int, int]) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert select(pairs, size=100, etag=ETAG, modified=MADE + timedelta(microseconds=5)) == Selection(*expected)


def get(app: Any, method: str = "GET", **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent["Signature"] = signature(A, NAME, "demo-campaign-key-A1")
    return ask(app, method, f"/campaign_reports/rest_api/{A}/{NAME}", headers=sent)


def test_a_whole_file(app: Any) -> None:
    answer = get(app)
    assert answer.status == 200
    assert (
        answer.headers.items()
        >= {
            "content-type": "application/gzip",
            "content-length": str(len(answer.body)),
            "content-disposition": f'attachment; filename="{NAME}"',
            "accept-ranges": "bytes",
            "etag": f'"{sha256(answer.body).hexdigest()}"',
            "last-modified": "Wed, 17 Feb 2021 06:00:00 GMT",
            "cache-control": "private, no-store",
            "x-content-type-options": "nosniff",
        }.items()
    )
    assert "content-encoding" not in answer.headers


def test_head_promises_what_get_keeps(app: Any) -> None:
    for headers in ({}, {"Range": "bytes=2-5"}, {"Range": "bytes=9999999-"}, {"If_Modified_Since": LATER}):
        whole, head = get(app, **headers), get(app, "HEAD", **headers)
        assert head.body == b""
        assert head.status == whole.status
        skipped = {"x-request-id"}
        assert {name: value for name, value in head.headers.items() if name not in skipped} == {
            name: value for name, value in whole.headers.items() if name not in skipped
        }


def test_pieces_make_the_whole(app: Any) -> None:
    whole = get(app).body
    size, pieces = len(whole), []
    for first in range(0, size, 37):
        answer = get(app, Range=f"bytes={first}-{first + 36}")
        assert answer.status == 206
        assert answer.headers["content-range"] == f"bytes {first}-{min(first + 36, size - 1)}/{size}"
        assert answer.headers["content-length"] == str(len(answer.body))
        pieces.append(answer.body)
    assert b"".join(pieces) == whole


def test_a_range_beyond_the_end(app: Any) -> None:
    size = len(get(app).body)
    answer = get(app, Range=f"bytes={size}-")
    assert (answer.status, answer.body) == (416, b"")
    assert (answer.headers["content-range"], answer.headers["content-length"]) == (f"bytes */{size}", "0")


def test_not_modified(app: Any) -> None:
    for headers in ({"If_Modified_Since": DATE}, {"If_None_Match": "*"}):
        answer = get(app, **headers)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["cache-control"] == "private, no-store"


def test_the_media_type_is_a_setting(files: World) -> None:
    purist = application(files, Settings(report_content_type="application/zip"))
    assert get(purist).headers["content-type"] == "application/zip"


# --- links


def run_named(files: World, stem: str, workspace_id: str = A) -> Run:
    runs, _ = files.runs.page(workspace_id, Query(limit=100))
    return next(run for run in runs if run.stem == stem)


def link_of(files: World, stem: str) -> str:
    workspace, file = files.workspaces.get(A), run_named(files, stem).file
    assert workspace is not None
    assert file is not None
    return f"/v1/export/file/{link_token(workspace, file.id)}"


def test_a_link_opens_its_file(files: World, app: Any) -> None:
    link = link_of(files, "Mailed")
    assert len(link.rpartition("/")[2]) == 43, "256 bits"
    answer = ask(app, "GET", link)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="Mailed_20210217.zip"'
    assert answer.body.startswith(b"PK\x03\x04")
    assert ask(app, "HEAD", link).status == 200
    assert ask(app, "GET", link, headers={"Range": "bytes=0-1"}).body == b"PK"


def test_tokens_are_not_stored(files: World) -> None:
    token = link_of(files, "Mailed").rpartition("/")[2]
    for path in files.folder.glob("metadata.db*"):
        assert token.encode() not in path.read_bytes()


@pytest.mark.parametrize("token", ["x", "A" * 43, "..%2f..", "%00", "é"])
def test_other_links_open_nothing(app: Any, token: str) -> None:
    assert ask(app, "GET", f"/v1/export/file/{token}").status == 404


def test_links_cannot_be_guessed_quickly(app: Any) -> None:
    statuses = [ask(app, "GET", f"/v1/export/file/{number:043}").status for number in range(61)]
    assert statuses == [404] * 60 + [429]


def test_a_link_may_need_a_login(files: World, app: Any) -> None:
    link = link_of(files, "Locked")
    assert ask(app, "GET", link).status == 401
    mine = {"Authorization": basic(A, "demo-campaign-key-A1")}
    other = {"Authorization": basic(B, "demo-campaign-key-B2")}
    assert ask(app, "GET", link, headers=mine).status == 200
    assert ask(app, "GET", link, headers=other).status == 404


def test_links_end_with_their_file(files: World, app: Any) -> None:
    link = link_of(files, "Mailed")
    files.clock.set(MADE + timedelta(days=7))
    answer = ask(app, "GET", link)
    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (410, "expired")
    files.clock.set(NOW)


# --- files of runs


def test_the_file_of_a_run(files: World, app: Any) -> None:
    headers = {"Authorization": basic(A, "demo-campaign-key-A1")}
    done = run_named(files, "Mailed")
    answer = ask(app, "GET", f"/v1/report-runs/{done.id}/file", headers=headers)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert done.file is not None
    assert answer.headers["etag"] == f'"{done.file.sha256}"'
    for stem, status, kind in (("Queued", 409, "not_ready"), ("Broken", 409, "no_file"), ("Edge", 410, "expired")):
        answer = ask(app, "GET", f"/v1/report-runs/{run_named(files, stem).id}/file", headers=headers)
        assert (answer.status, json.loads(answer.body)["error"]["type"]) == (status, kind)
    foreign = run_named(files, "Other", B)
    for run_id in (foreign.id, "run_" + "0" * 20, "x", "%00"):
        assert ask(app, "GET", f"/v1/report-runs/{run_id}/file", headers=headers).status == 404
    assert ask(app, "GET", f"/v1/report-runs/{done.id}/file").status == 401
