"""Downloads: resumed, checked, from servers that behave and from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from campanile.client import Client, Damaged, NotReady, Refused, RetryPolicy, Unreachable, sign

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 40
ETAG = f'"{sha256(CONTENT).hexdigest()}"'
NAME = "Report_-_test_20210217.zip"
APP = "WSDEMO0000000000000000A1"


class Breaking(httpx.SyncByteStream):
    """Bytes, then a lost connection."""

    def __init__(self, content: bytes, *, breaks: bool = False) -> None:
        self._content = content
        self._breaks = breaks

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._content), 1000):
            yield self._content[start : start + 1000]
        if self._breaks:
            raise httpx.ReadError("connection lost")


class FileServer:
    """Serves one file, with ranges; `cuts` are the bytes after which the next answers break."""

    def __init__(self, content: bytes = CONTENT, etag: str = ETAG, *, ranges: bool = True) -> None:
        self.content = content
        self.etag = etag
        self.ranges = ranges
        self.cuts: list[int] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        start, total = 0, len(self.content)
        headers = {"ETag": self.etag} if self.etag else {}
        wanted = request.headers.get("Range")
        if self.ranges and wanted and request.headers.get("If-Range") == self.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= total:
                return httpx.Response(416, headers={"Content-Range": f"bytes */{total}"})
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        rest = self.content[start:]
        cut = self.cuts.pop(0) if self.cuts else None
        headers["Content-Length"] = str(len(rest))
        stream = Breaking(rest if cut is None else rest[:cut], breaks=cut is not None)
        return httpx.Response(206 if "Content-Range" in headers else 200, headers=headers, stream=stream)


def downloads(handler: Callable[[httpx.Request], httpx.Response], **policy: Any) -> Client:
    retry = RetryPolicy(sleep=lambda _: None, chance=lambda: 0.5, **policy)
    return Client(
        "https://api.example.com/", APP, "demo-campaign-key-A1", retry=retry, transport=httpx.MockTransport(handler)
    )


def test_a_file_arrives_signed_and_checked(tmp_path: Path) -> None:
    server, seen = FileServer(), []
    with downloads(server) as client:
        done = client.download(NAME, tmp_path / "x.zip", progress=lambda have, total: seen.append((have, total)))
    (request,) = server.requests
    assert str(request.url) == f"https://api.example.com/campaign_reports/rest_api/{APP}/{NAME}"
    assert request.headers["Signature"] == "fdc68bceb29bc6a097218cc73b98ebc1902bdeb800f3d2665aa98a9a6c2f2956"
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert (done.size, done.checked, done.resumed_at) == (len(CONTENT), True, 0)
    assert done.sha256 == sha256(CONTENT).hexdigest()
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_daily_dumps_have_their_own_address(tmp_path: Path) -> None:
    server = FileServer()
    downloads(server).download("20210217.zip", tmp_path / "x.zip", daily=True)
    assert server.requests[0].url.path == f"/dailyCampaignReportDump/{APP}/20210217.zip"
    assert server.requests[0].headers["Signature"] == sign(APP, "20210217.zip", "demo-campaign-key-A1")


def test_a_broken_connection_is_continued(tmp_path: Path) -> None:
    server = FileServer()
    server.cuts = [3000, 2500, 0, 1]
    done = downloads(server, attempts=3).download(NAME, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert done.checked
    ranges = [request.headers.get("Range") for request in server.requests]
    assert ranges == [None, "bytes=3000-", "bytes=5500-", "bytes=5500-", "bytes=5501-"]
    assert {request.headers.get("If-Range") for request in server.requests[1:]} == {ETAG}


def test_an_interrupted_download_is_continued_by_the_next_one(tmp_path: Path) -> None:
    server = FileServer()
    server.cuts = [4000]
    with pytest.raises(Unreachable):
        downloads(server, attempts=1).download(NAME, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
    assert (tmp_path / "x.zip.part").stat().st_size == 4000
    done = downloads(server).download(NAME, tmp_path / "x.zip")
    assert (done.resumed_at, done.size, done.checked) == (4000, len(CONTENT), True)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(tmp_path: Path) -> None:
    server = FileServer()
    server.cuts = [4000]
    with pytest.raises(Unreachable):
        downloads(server, attempts=1).download(NAME, tmp_path / "x.zip")
    newer = CONTENT[::-1].replace(CONTENT[::-1][:4], b"PK\x03\x04", 1)
    done = downloads(FileServer(newer, f'"{sha256(newer).hexdigest()}"')).download(NAME, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == newer
    assert done.checked


def test_a_server_without_ranges_and_checksums(tmp_path: Path) -> None:
    server = FileServer(etag="", ranges=False)
    server.cuts = [3000]
    done = downloads(server).download(NAME, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == CONTENT
    assert not done.checked
    assert [request.headers.get("Range") for request in server.requests] == [None, None]


def test_everything_was_there_already(tmp_path: Path) -> None:
    (tmp_path / "x.zip.part").write_bytes(CONTENT)
    (tmp_path / "x.zip.part.etag").write_text(ETAG)
    done = downloads(FileServer()).download(NAME, tmp_path / "x.zip")
    assert (done.resumed_at, done.checked) == (len(CONTENT), True)


def test_leftovers_of_nobody_are_not_continued(tmp_path: Path) -> None:
    (tmp_path / "x.zip.part").write_bytes(b"something else")
    server = FileServer()
    downloads(server).download(NAME, tmp_path / "x.zip")
    assert server.requests[0].headers.get("Range") is None
    assert (tmp_path / "x.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (FileServer(CONTENT[:-1] + b"!"), "checksum"),
        (FileServer(b"<html>Sign in</html>", etag=""), "no archive"),
        (FileServer(b"", etag=""), "no archive"),
    ],
)
def test_damaged_files_do_not_stay(tmp_path: Path, server: FileServer, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        downloads(server).download(NAME, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
    assert not (tmp_path / "x.zip.part").exists()


def test_a_server_that_sends_another_part(tmp_path: Path) -> None:
    (tmp_path / "x.zip.part").write_bytes(CONTENT[:100])
    (tmp_path / "x.zip.part.etag").write_text(ETAG)

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(206, headers={"Content-Range": f"bytes 50-99/{len(CONTENT)}"}, content=CONTENT[50:100])

    with pytest.raises(Damaged, match="another part"):
        downloads(answer).download(NAME, tmp_path / "x.zip")


def refusing(status: int, **content: Any) -> tuple[list[int], Callable[[httpx.Request], httpx.Response]]:
    calls: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        calls.append(status)
        return httpx.Response(status, **content)

    return calls, answer


def test_what_the_server_says_is_repeated(tmp_path: Path) -> None:
    error = {
        "error": {"attribute": "FILENAME", "message": "Report is not ready", "type": "BAD REQUEST", "request_id": ""}
    }
    calls, answer = refusing(400, json=error)
    with pytest.raises(NotReady, match=r"Report is not ready \(HTTP 400\)"):
        downloads(answer).download(NAME, tmp_path / "x.zip")
    assert len(calls) == 1
    calls, answer = refusing(401)
    with pytest.raises(Refused, match="signature is missing or invalid"):
        downloads(answer).download(NAME, tmp_path / "x.zip")
    assert len(calls) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    calls, answer = refusing(status, headers={"Retry-After": "1"}, content=b"oops")
    with pytest.raises(Refused):
        downloads(answer, attempts=3).download(NAME, tmp_path / "x.zip")
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == []
