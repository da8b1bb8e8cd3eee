"""`campanile experiment`: what it asks, and what people read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import pytest

from campanile.cli import experiment
from campanile.cli.main import main
from campanile.cli.options import OK, USAGE
from campanile.client import Client
from campanile.experiments.schemas import Experiment
from tests.experiments.counted import EVERYBODY, GROUP, answer

pytestmark = pytest.mark.slow

ARMS = {("", ""): 8000, ("", "variation_1"): 4000, ("", "variation_2"): 4000, (GROUP, ""): 2000}
BUYERS = {("", ""): 800, ("", "variation_1"): 300, ("", "variation_2"): 500, (GROUP, ""): 100}
Run = Callable[..., str]


@pytest.fixture
def asked() -> list[httpx.URL]:
    return []


@pytest.fixture
def run(asked: list[httpx.URL], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command against an answer; what it prints."""

    def go(found: Experiment, *arguments: str) -> str:
        def reply(request: httpx.Request) -> httpx.Response:
            asked.append(request.url)
            return httpx.Response(200, content=msgspec.json.encode(found))

        @contextmanager
        def connect(*_: Any) -> Iterator[Client]:
            with Client("http://shop.example", "WS", "key", transport=httpx.MockTransport(reply)) as client:
                yield client

        monkeypatch.setattr(experiment, "connect", connect)
        assert main(["experiment", "e" * 24, *arguments]) == OK
        return capsys.readouterr().out

    return go


def test_the_verdict_comes_first_and_the_numbers_after_it(run: Run) -> None:
    printed = run(answer(ARMS, BUYERS, control_share=20))
    assert "Voucher, EMAIL, sent 2026-03-16 to 2026-03-18 (UTC)" in printed
    assert "Campaign control group: treated 8,000 (80 %), campaign control group 2,000 (20 %): as declared" in printed
    assert "Goal “Purchase”, within 72 hours" in printed
    assert "The campaign works: 10.00 % against 5.00 %" in printed
    assert "Difference +5.00 points (3.78 to 6.10), uplift +100.0 %" in printed
    assert "VIEW_THROUGH: Stats API cvr 12.5 against 5, uplift 150; of those reached 800 of 8,000" in printed
    assert "variation_2 wins with 12.50 %" in printed
    assert "variation_1 – variation_2" in printed


def test_doubts_are_spoken_out(run: Run) -> None:
    printed = run(answer({**ARMS, (GROUP, ""): 1500, (EVERYBODY, ""): 50}, BUYERS, in_both=40))
    assert "NOT as declared" in printed
    assert "find out why before you trust" in printed
    assert "40 people were held out and got the message, too." in printed
    assert "not checked (no share declared)" in printed
    assert "Not enough data yet" in printed


def test_campaigns_without_anything_to_compare(run: Run) -> None:
    printed = run(answer({("", ""): 10}, {}, campaign_control_group=False))
    assert "No control group and no variations to compare." in printed
    nothing = msgspec.structs.replace(answer({("", ""): 10}, {}), goals=())
    assert "No goal that an event fulfils" in run(nothing)


def test_an_uplift_over_nothing_is_unknown(run: Run) -> None:
    printed = run(answer(ARMS, {**BUYERS, (GROUP, ""): 0}))
    assert "uplift unknown (" in printed


def test_a_group_without_members(run: Run) -> None:
    assert "Nobody was held out" in run(answer({("", ""): 1000}, {("", ""): 10}))


def test_programs_get_the_answer_as_it_is(run: Run, asked: list[httpx.URL]) -> None:
    found = answer(ARMS, BUYERS)
    printed = run(
        found, "--format", "json", "--from", "2026-03-16", "--to", "2026-03-18", "--attribution", "VIEW_THROUGH",
        "IN_SESSION", "--goal", "Purchase & more",
    )  # fmt: skip
    assert json.loads(printed) == json.loads(msgspec.json.encode(found))
    (url,) = asked
    assert url.path == f"/v1/campaigns/{'e' * 24}/experiment"
    assert dict(url.params) == {
        "start_date": "2026-03-16",
        "end_date": "2026-03-18",
        "attribution_type": "VIEW_THROUGH,IN_SESSION",
        "goal": "Purchase & more",
    }


def test_wrong_words_are_usage() -> None:
    assert main(["experiment", "e" * 24, "--attribution", "LAST"]) == USAGE
    assert main(["experiment"]) == USAGE


def test_every_word_of_the_answer_has_a_sentence() -> None:
    from typing import get_args

    from campanile.experiments import schemas

    assert set(experiment.CAUTIONS) == set(get_args(schemas.Caution))
    assert set(experiment.SPLITS) == set(get_args(schemas.SplitStatus))
    assert set(experiment.BASES) == set(get_args(schemas.Basis))
