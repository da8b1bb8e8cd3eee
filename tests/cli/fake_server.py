"""A tiny HTTP server that counts events as the real one does: once by their id, with a verdict per event."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any] | None]
Script = Callable[[str, list[dict[str, Any]]], Answer | None]


class FakeServer:
    """State of the server; `script` may answer a request in its place."""

    def __init__(self) -> None:
        self.url = ""
        self.events: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, dict[str, list[str]], list[dict[str, Any]]]] = []
        self.script: Script = lambda _path, _lines: None
        self._lock = threading.Lock()

    def answer(self, path: str, query: dict[str, list[str]], lines: list[dict[str, Any]]) -> Answer:
        with self._lock:
            self.requests.append((path, query, lines))
            scripted = self.script(path, lines)
            if scripted is not None:
                return scripted
            if path == "/v1/events":
                return self._take(lines, dry_run="dry_run" in query)
            if path == "/v1/campaigns/import":
                errors = [
                    {
                        "line": number,
                        "campaign_id": line.get("campaign_id"),
                        "details": [{"message": "name is missing"}],
                    }
                    for number, line in enumerate(lines, start=1)
                    if "basic_details" not in line
                ]
                return 200, {
                    "total": len(lines), "created": len(lines) - len(errors), "failed": len(errors), "errors": errors,
                }  # fmt: skip
            return 404, {"error": {"message": "no such path"}}

    def _take(self, lines: list[dict[str, Any]], *, dry_run: bool) -> Answer:
        errors = []
        accepted = duplicates = 0
        for index, event in enumerate(lines):
            if "user_id" not in event:
                errors.append(
                    {"index": index, "event_id": event["event_id"], "code": "missing_field", "field": "user_id",
                     "message": "user_id is required"}
                )  # fmt: skip
            elif event["event_id"] in self.events:
                duplicates += 1
            else:
                accepted += 1
                if not dry_run:
                    self.events[event["event_id"]] = event
        status = 200 if not errors else 207 if len(errors) < len(lines) else 422
        return status, {
            "received": len(lines), "accepted": accepted, "duplicates": duplicates, "rejected": len(errors),
            "errors": errors, "warnings": [{"code": "unknown_field", "field": "colour", "count": 1}],
        }  # fmt: skip


@contextlib.contextmanager
def running() -> Iterator[FakeServer]:
    """A server on a free port of this machine."""
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            parts = urlsplit(self.path)
            lines = [json.loads(line) for line in body.splitlines() if line]
            status, value = fake.answer(parts.path, parse_qs(parts.query), lines)
            content = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
