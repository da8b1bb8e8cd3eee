"""Every call in the README and in `docs/` is run against the demo, and answers what the page says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.support.isolated import isolated_environment
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "reference" not in path.parts
)
"""All but the generated ones, which have a test of their own."""
PATIENCE = 120
"""Seconds that one block may take on a busy machine."""
ANSWERS = {"sh": "json", "python": "text"}
"""Kinds of blocks that are run, and of those that show what they print."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"^(?:make|uv|pip) |campanile serve", re.MULTILINE)
"""Blocks that install or start things: the targets of `make` have tests of their own."""

_FOREIGN = re.compile(r"\A# pip install '?([a-z-]+)")
"""First line of a block that needs programs of others; `<name>-requirements.txt` has them."""


class Example(NamedTuple):
    """A block of commands or of Python, and the block that follows it if it shows what is printed."""

    page: str
    kind: str
    commands: str
    answer: str | None
    """JSON after commands, text after Python."""

    def __str__(self) -> str:
        return f"{self.page}: {self.commands.strip().splitlines()[0][:60]}"


def examples() -> Iterator[Example]:
    for page in PAGES:
        blocks = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
        for (kind, text), (following, answer) in pairwise([*blocks, ("", "")]):
            if kind in ANSWERS and not _NOT_RUN.search(text):
                yield Example(page, kind, text, answer if following == ANSWERS[kind] else None)


class Demo(NamedTuple):
    port: int
    data: Path


class Folders:
    """One folder for the commands of each page: what one of them writes, the next ones read."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def of(self, page: str) -> Path:
        folder = self._base / page.replace("/", "-")
        if not folder.exists():
            folder.mkdir()
            (folder / "examples").symlink_to(ROOT / "examples")
        return folder


@pytest.fixture(name="folders", scope="module")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return Folders(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """The demo, as `make demo` starts it, on a port of its own."""
    (port,) = free_ports(1)
    with scratch_folder("demo") as folder:
        command = [str(Path(sys.executable).with_name("campanile")), "demo", "--port", str(port), "--data", str(folder)]
        process = subprocess.Popen([*DIE_WITH_PARENT, *command], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if "Try it" in line:
                break
        deadline = time.monotonic() + 30
        while httpx.get(f"http://127.0.0.1:{port}/readyz").status_code != 200:
            assert time.monotonic() < deadline
        yield Demo(port, folder)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)
        assert process.returncode == 0


def matches(found: Any, shown: Any) -> bool:
    """Whether everything the page shows is there; `…` stands for anything."""
    if shown == "…":
        return True
    if isinstance(shown, dict):
        return isinstance(found, dict) and all(key in found and matches(found[key], shown[key]) for key in shown)
    if isinstance(shown, list):
        return (
            isinstance(found, list)
            and len(found) == len(shown)
            and all(matches(one, other) for one, other in zip(found, shown, strict=True))
        )
    return bool(found == shown)


@pytest.mark.parametrize("example", list(examples()), ids=str)
def test_call_answers_what_the_page_says(demo: Demo, folders: Folders, example: Example) -> None:
    programs = Path(sys.executable).parent
    if foreign := _FOREIGN.match(example.commands):
        programs = isolated_environment(Path(__file__).parent / f"{foreign[1]}-requirements.txt")
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "CAMPANILE_DATA": str(demo.data),
        "CAMPANILE_BASE_URL": f"http://127.0.0.1:{demo.port}",
    }
    script = example.commands.replace("127.0.0.1:8080", f"127.0.0.1:{demo.port}")
    program = [str(programs / "python"), "-c"] if example.kind == "python" else ["bash", "-euc"]
    command, folder = [*program, script], folders.of(example.page)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    if example.kind == "python":
        assert done.stdout == (example.answer or "")
    elif example.answer is not None:
        found = json.loads(done.stdout)
        assert matches(found, json.loads(example.answer)), done.stdout


def test_examples_are_found() -> None:
    assert len(list(examples())) >= 8


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target
