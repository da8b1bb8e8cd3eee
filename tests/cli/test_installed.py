"""The package as a data engineer installs it: from a wheel, without the extra `server`, in a fresh environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.fake_server import running
from tests.support.processes import scratch_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
MAX_BYTES = 30_000_000
"""What the installation may take, compiled modules included."""
MAX_SECONDS = 0.3
"""Processor time of a start. Of several runs the quickest counts: others on this machine only ever add to it."""
BARE_SECONDS = 0.03
"""What the interpreter alone takes on an ordinary machine; one that needs longer for it is given more in proportion."""
RUNS = 5
FOREIGN = ("litestar", "sqlalchemy", "clickhouse_connect", "chdb", "pyarrow", "pandas", "numpy", "granian", "httpx")
"""What a start must not load; most of it must not even be there."""


class Installed:
    """A fresh environment with the wheel and what it asks for, in the versions of the lock file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = next(folder.glob("lib/python3*/site-packages"))

    def program(self, *command: str) -> list[str]:
        name, *rest = command
        return [str(self.folder / "bin" / name), *rest]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.program(*command), capture_output=True, text=True, timeout=120, env=environment(), cwd=self.folder
        )

    def seconds(self, *command: str) -> tuple[float, float]:
        """The least processor time and the least time of a clock that a command took."""
        used, passed = [], []
        for _ in range(RUNS):
            before, start = os.times(), time.monotonic()
            subprocess.run(self.program(*command), stdout=subprocess.DEVNULL, check=True, env=environment())
            after = os.times()
            passed.append(time.monotonic() - start)
            used.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return min(used), min(passed)


def environment() -> dict[str, str]:
    hidden = ("CAMPANILE_", "PYTHON", "VIRTUAL_ENV", "UV_PROJECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    uv = shutil.which("uv") or str(ROOT / "build" / "tools" / "bin" / "uv")

    def call(*arguments: str | Path) -> None:
        done = subprocess.run([uv, *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    with scratch_folder("installed") as folder:
        source = folder / "source"  # building installs npm packages: not in the folder that other tests read
        shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", ".gitignore"):
            shutil.copy(ROOT / name, source)
        call("build", "--wheel", "--out-dir", folder / "dist", source)
        (wheel,) = (folder / "dist").glob("*.whl")
        locked = folder / "locked.txt"
        call("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "--output-file", locked)
        call("venv", "--python", ROOT / ".venv" / "bin" / "python", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        call("pip", "install", "--python", python, "--compile-bytecode", "--constraint", locked, wheel)
        yield Installed(folder / "venv")


def test_it_is_small(installed: Installed) -> None:
    sizes: dict[str, int] = {}
    for path in installed.packages.rglob("*"):
        if path.is_file():
            top = path.relative_to(installed.packages).parts[0]
            sizes[top] = sizes.get(top, 0) + path.stat().st_size
    print(f"\n{sum(sizes.values()) / 1e6:.1f} MB installed")
    assert sum(sizes.values()) < MAX_BYTES, sorted(sizes.items(), key=lambda each: -each[1])[:10]


def test_it_starts_quickly(installed: Installed) -> None:
    bare, bare_passed = installed.seconds("python", "-c", "pass")
    for command in (("python", "-c", "import campanile"), ("campanile", "--help"), ("campanile", "stats", "--help")):
        used, passed = installed.seconds(*command)
        print(
            f"\n{' '.join(command)}: {used:.2f} s of processor time, {passed:.2f} s by the clock "
            f"(the interpreter alone {bare:.2f} and {bare_passed:.2f})"
        )
        if "stats" not in command:  # that one loads the HTTP client
            assert used < MAX_SECONDS * max(1, bare / BARE_SECONDS)


def test_it_loads_nothing_large(installed: Installed) -> None:
    code = "import sys, campanile; print(sorted({name.split('.')[0] for name in sys.modules}))"
    assert not set(re.findall(r"\w+", installed.run("python", "-c", code).stdout)) & {*FOREIGN, "rich", "cyclopts"}
    code = (
        "import sys\nfrom campanile.cli.main import main\nmain(['--help'])\n"
        "print('\\n@', *{name.split('.')[0] for name in sys.modules})"
    )
    loaded = set(installed.run("python", "-c", code).stdout.rpartition("@")[2].split())
    assert "cyclopts" in loaded
    assert not loaded & set(FOREIGN)
    there = {path.name for path in installed.packages.iterdir()}
    assert not there & (set(FOREIGN) - {"httpx"})


def test_it_works(installed: Installed) -> None:
    variations = {"all_variations": {"performance_stats": {"sent": 1234}}}
    campaign = [{"platforms": {"EMAIL": {"locales": {"all_locales": {"variations": variations}}}}}]
    page = {"response_id": "r", "total_campaigns": 1, "current_page": 1, "total_pages": 1, "data": {"c1": campaign}}
    with running() as server:
        server.script = lambda _path, _lines: (200, page)
        access = ("--server", server.url, "--workspace", "WS", "--key", "some-key")
        asked = installed.run("campanile", "stats", "--campaign", "c1", "--last", "30d", *access)
        assert (asked.returncode, "1,234" in asked.stdout) == (0, True), asked.stderr
        asked = installed.run("campanile", "stats", "--campaign", "c1", "--format", "json", *access)
        assert json.loads(asked.stdout) == {"c1": campaign}
        code = (
            "import asyncio, sys\nfrom campanile.client import AsyncClient\n"
            "async def ask():\n async with AsyncClient(sys.argv[1], 'WS', 'some-key') as client:\n"
            "  answer = await client.stats('c1', start_date='2025-10-01', end_date='2025-10-02')\n"
            "  print(answer.rows()[0].value)\n  answer.to_arrow()\nasyncio.run(ask())"
        )
        asked = installed.run("python", "-c", code, server.url)
        assert asked.stdout == "1234\n"
        assert "pyarrow is missing: pip install 'campanile[arrow]'" in asked.stderr
        asked = installed.run("campanile", "stats", "--format", "parquet", "--output", "x.parquet", *access)
        assert (asked.returncode, "campanile[arrow]" in asked.stderr) == (2, True)


def test_commands_of_the_server_say_what_to_install(installed: Installed) -> None:
    done = installed.run("campanile", "serve")
    assert done.returncode == 2
    assert "pip install 'campanile[server]'" in done.stderr
    completed = installed.run("campanile", "completion", "bash")
    assert completed.returncode == 0, completed.stderr
    assert "metric-type" in completed.stdout
