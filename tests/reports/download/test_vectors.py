"""The vectors of the report API, in this process and against real servers with raw paths."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reports.download.asgi import ask
from tests.reports.download.fixture import A, Answer, check, request_of, vectors
from tests.reports.download.test_security import NO_ROUTES, UNSAFE_NAMES
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until

ALL = [pytest.param(vector, id=vector["id"]) for vector in vectors()]


@pytest.mark.parametrize("vector", ALL)
def test_in_process(app: Any, vector: dict[str, Any]) -> None:
    check(vector, ask(app, *request_of(vector)))


def test_a_known_etag_is_enough(app: Any) -> None:
    method, path, query, headers = request_of(vectors()[0])
    etag = ask(app, method, path, query, headers).headers["etag"]
    answer = ask(app, method, path, query, {**headers, "If-None-Match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag


# --- real servers


def ask_socket(port: int, method: str, raw_path: str, query: str, headers: dict[str, str]) -> Answer:
    """One request, byte for byte as given, and everything that came back."""
    target = raw_path + (f"?{query}" if query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *pairs = head.decode("latin-1").split("\r\n")
    found = {name.lower(): value.strip() for name, _, value in (pair.partition(":") for pair in pairs)}
    if found.get("transfer-encoding") == "chunked":
        raise AssertionError("lengths are known, so nothing is chunked")
    return Answer(int(status.split()[1]), found, body)


@pytest.fixture(scope="module", params=["granian", "uvicorn"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    (number,) = free_ports(1)
    with scratch_folder("download-server") as folder:
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *DIE_WITH_PARENT,
                    sys.executable,
                    "-m",
                    "tests.reports.download.fixture",
                    str(number),
                    folder,
                    request.param,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[3],
            )
        try:
            wait_until(lambda: b'"ready"' in log.read_bytes(), process, what=f"the server: {log}")
            yield number
        finally:
            stop(process, gently=10)
        assert b"Signature=" not in log.read_bytes(), "signatures do not belong into logs"


@pytest.mark.slow
@pytest.mark.parametrize("vector", ALL)
def test_against_a_server(port: int, vector: dict[str, Any]) -> None:
    check(vector, ask_socket(port, *request_of(vector)))


@pytest.mark.slow
def test_pieces_and_conditions_of_a_server(port: int) -> None:
    method, path, query, headers = request_of(vectors()[0])
    whole = ask_socket(port, method, path, query, headers)
    etag, size = whole.headers["etag"], len(whole.body)
    known = ask_socket(port, method, path, query, {**headers, "If-None-Match": etag})
    assert (known.status, known.body) == (304, b"")
    middle = size // 2
    pieces = []
    for first, last in ((0, middle), (middle + 1, size - 1)):
        span = {"Range": f"bytes={first}-{last}", "If-Range": etag}
        piece = ask_socket(port, method, path, query, {**headers, **span})
        assert piece.status == 206
        assert piece.headers["content-range"] == f"bytes {first}-{last}/{size}"
        pieces.append(piece.body)
    assert b"".join(pieces) == whole.body
    beyond = ask_socket(port, method, path, query, {**headers, "Range": f"bytes={size}-"})
    assert (beyond.status, beyond.body, beyond.headers["content-range"]) == (416, b"", f"bytes */{size}")


@pytest.mark.slow
def test_a_server_never_tidies_paths(port: int) -> None:
    """What is no name and what is no route is told apart whatever the HTTP library makes of a path."""
    for raw in UNSAFE_NAMES:
        answer = ask_socket(port, "GET", f"/campaign_reports/rest_api/{A}/{raw}", "", {})
        assert answer.status == 400, raw
        assert b"passwd" not in answer.body
    for path in NO_ROUTES:
        assert ask_socket(port, "GET", path, "", {}).status == 404, path
