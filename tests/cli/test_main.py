"""The command line as a whole: help, exit codes, one line per error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from campanile import __version__
from campanile.cli.main import COMMANDS, main
from campanile.cli.options import EXIT_CODES, FATAL, INTERRUPTED, OK, PROBLEMS, USAGE
from campanile.errors import ConfigurationError
from tests.cli.fake_server import running

pytestmark = pytest.mark.slow

CAMPANILE = str(Path(sys.executable).with_name("campanile"))


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPANILE_")}
    return subprocess.run(
        [CAMPANILE, *arguments], env={**kept, **environment}, capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command() -> None:
    done = call("--help")
    assert done.returncode == 0
    for name in ("demo", "serve", "workspace", "key", "import", "stats", "experiment", "migrate", "doctor"):
        assert name in done.stdout


@pytest.mark.parametrize(("group", "name"), [(group.name[0], name) for group, name, _, _ in COMMANDS])
def test_every_command_explains_itself(group: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = [name] if group == "campanile" else [group, name]
    assert main([*path, "--help"]) == 0
    assert f"Usage: campanile {' '.join(path)}" in capsys.readouterr().out


def test_help_loads_nothing_large() -> None:
    """Help has to be there at once: no server package, no HTTP client is imported for it."""
    code = (
        "import sys\nfrom campanile.cli.main import main\nmain(['--help'])\n"
        "sys.stderr.write(' '.join({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stderr.split())
    heavy = {"httpx", "litestar", "sqlalchemy", "pyarrow", "numpy", "granian", "chdb", "structlog", "markdown_it"}
    assert loaded & heavy == set()
    assert {"cyclopts", "rich"} <= loaded


def test_the_version() -> None:
    assert call("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "there is no command 'nope', see campanile --help"),
        (["stat"], "there is no command 'stat'; did you mean stats? see campanile --help"),
        (["workspace", "craete", "X"], "did you mean create? see campanile workspace --help"),
        (["stats", "--metrc-type", "TOTAL"], "Did you mean --metric-type?"),
        (["stats", "--format", "tabel"], 'Did you mean "table"?'),
        (["stats", "--server", "ftp://x", "--workspace", "w", "--key", "k"], "begins with http:// or https://"),
        (
            ["stats", "--server", "07", "--workspace", "w", "--key", "k"],
            "there is no data centre '07'; there are 01, 02",
        ),
        (["workspace", "nope"], "there is no command"),
        (["serve", "--nope"], "nope"),
        (["serve", "--port", "many"], "many"),
        (["workspace", "create"], "NAME"),
        (["stats", "--metric-type", "SOME"], "SOME"),
        (["stats", "--last", "soon", "--workspace", "w", "--key", "k"], "--last"),
        (["workspace", "set", "W", "timezone"], "KEY=VALUE"),
    ],
)
def test_wrong_usage_is_one_line_and_code_3(arguments: list[str], says: str) -> None:
    done = call(*arguments)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("campanile: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_fatal_errors_are_one_line_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("port = 'x'\nhost = 1")
    for arguments, says in (
        (["serve", "--config", str(tmp_path / "none.toml")], "none.toml"),
        (["serve", "--config", str(tmp_path / "bad.toml")], "settings"),
        (["key", "list", "NOBODY", "--data", str(tmp_path / "d")], "NOBODY"),
        (
            ["stats", "--workspace", "w", "--key", "k", "--server", "http://127.0.0.1:1/"],
            "127.0.0.1:1",
        ),
    ):
        done = call(*arguments)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("campanile: ")
        assert done.stderr.count("\n") == 1
        assert says in done.stderr


def test_exit_codes_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    codes = {OK: 0, PROBLEMS: 1, FATAL: 2, USAGE: 3, INTERRUPTED: 130}
    assert all(constant == number for constant, number in codes.items()), "scripts rely on them"
    assert list(EXIT_CODES) == list(codes)
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in page


def test_an_interrupted_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("campanile.cli.workspace.open_workspaces", interrupted)
    assert main(["workspace", "list"]) == 130


SERVER_PACKAGES = (
    "alembic", "argon2", "chdb", "clickhouse_connect", "cryptography", "granian", "limits", "litestar", "numpy",
    "prometheus_client", "psycopg", "pyarrow", "sqlalchemy", "structlog", "uvicorn", "zstandard",
)  # fmt: skip


def light(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in an installation without the server packages."""
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({SERVER_PACKAGES!r}))\n"
        "from campanile.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)


def test_client_commands_need_no_server_packages(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text('{"event_id":"e","type":"click","time":"2025-10-01T00:00:00Z","user_id":"u"}\n')
    page = {"response_id": "", "total_campaigns": 0, "current_page": 1, "total_pages": 1, "data": {}}
    with running() as server:
        access = ("--server", server.url, "--workspace", "WS", "--key", "some-key")
        imported = light("import", str(path), *access)
        assert imported.returncode == 0, imported.stderr
        assert list(server.events) == ["e"]
        server.script = lambda _path, _lines: (200, page)
        asked = light("stats", *access)
        assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(
    ("extra", "command"),
    [
        *(("server", (name,)) for name in ("demo", "serve", "migrate", "doctor")),
        ("brokers", ("consume", "--kafka", "127.0.0.1:1")),
    ],
)
def test_commands_say_what_to_install(extra: str, command: tuple[str, ...]) -> None:
    done = light(*command)
    assert done.returncode == 2
    assert f"pip install 'campanile[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_colours_are_left_out_when_asked() -> None:
    coloured = call("--help", FORCE_COLOR="1")
    assert "\x1b[" in coloured.stdout
    done = call("--help", NO_COLOR="1", FORCE_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*(?:3|4|9|10)\d\b", done.stdout), "a colour"


def test_errors_of_several_lines_become_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_settings: object) -> None:
        raise ConfigurationError("first\nsecond")

    monkeypatch.setattr("campanile.cli.workspace.open_workspaces", refuse)
    assert main(["workspace", "list"]) == 2
    assert capsys.readouterr().err == "campanile: first second\n"
