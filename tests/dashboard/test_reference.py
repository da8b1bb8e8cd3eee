"""`/docs`: the API description for people."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from campanile.app import OPERATIONS
from campanile.dashboard.reference.views import chapters, command, kind_of
from campanile.http.openapi import document
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

DOCUMENT = document(OPERATIONS)


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, datetime(2026, 3, 18, 12, tzinfo=UTC)) as server:
        yield server


def test_the_page_has_every_operation_and_loads_nothing_from_elsewhere(server: InProcess) -> None:
    answer = server.client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for operation in OPERATIONS:
        if operation.method != "HEAD":
            assert f"<code>{operation.method} {operation.path}</code>" in answer.text
    sources = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert [source for source in sources if not source.startswith(("/assets/", "#", "/openapi", "/postman"))] == []
    assert not re.search(r"<script(?![^>]*src=)| style=| on\w+=\"", answer.text)
    assert len(set(re.findall(r'id="([^"]+)"', answer.text))) == len(re.findall(r'id="([^"]+)"', answer.text))


def test_links_to_operations_lead_somewhere(server: InProcess) -> None:
    text = server.client.get("/docs").text
    assert set(re.findall(r'href="#([^"]+)"', text)) - set(re.findall(r'id="([^"]+)"', text)) == set()


def test_commands_are_valid_shell() -> None:
    for entries in chapters(DOCUMENT, "http://127.0.0.1:8080").values():
        for entry in entries:
            assert subprocess.run(["bash", "-n", "-c", entry.command]).returncode == 0, entry.command


def test_a_command_has_what_the_operation_needs() -> None:
    path = "/core-services/v1/campaign-stats"
    text = command("POST", path, DOCUMENT["paths"][path]["post"], "http://h")
    assert text.startswith("curl -s http://h/core-services/v1/campaign-stats")
    for part in ('-u "$WORKSPACE:$KEY"', '-H "MOE-APPKEY: $WORKSPACE"', "application/json", "VIEW_THROUGH"):
        assert part in text
    path = "/campaign_reports/rest_api/{app_id}/{filename}"
    assert "sha256sum" in command("GET", path, DOCUMENT["paths"][path]["get"], "http://h")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 15}, "integer (1–15)"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "array", "items": {"type": "string"}}, "array of string"),
        ({"enum": ["A", "B"]}, "A | B"),
        ({"const": "campaign"}, "campaign"),
        ({}, "any"),
    ],
)
def test_kinds_in_words(schema: dict[str, object], words: str) -> None:
    assert kind_of(schema) == words
