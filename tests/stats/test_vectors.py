"""The wire contract of the Stats API, vector by vector, through the whole application."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.stats import vectors
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine


@pytest.fixture(name="server", scope="module")
def _server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    """An application with the fixture of the vectors in it."""
    described = vectors.fixture()
    with running(embedded, datetime.fromisoformat(described["now"])) as server:
        for fields in described["workspaces"]:
            owner = server.services.workspaces.create(fields["name"], id=fields["id"], report_key=fields["report_key"])
            server.configure(fields["id"], fields["settings"])
            documents = vectors.campaign_documents(fields["id"])
            assert server.import_campaigns(owner, documents)["created"] == len(documents)
            if fields["id"] == vectors.WORKSPACE:
                events = list(vectors.events())
                assert server.send_events(owner, events)["accepted"] == len(events)
        yield server


def test_all_vectors_are_here() -> None:
    assert [vector["id"] for vector in vectors.vectors()] == [f"S{number:02}" for number in range(1, 43)]


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=vector["id"], marks=[pytest.mark.slow] if "repeat" in vector else [])
        for vector in vectors.vectors()
    ],
)
def test_vector(server: InProcess, vector: dict[str, Any]) -> None:
    server.fresh_window()
    vectors.check(server, vector)
