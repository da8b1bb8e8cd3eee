"""The command line as a whole: help, exit codes, one line per error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from campanile import __version__
from campanile.cli.main import _COMMANDS, main
from campanile.errors import ConfigurationError

CAMPANILE = str(Path(sys.executable).with_name("campanile"))


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPANILE_")}
    return subprocess.run(
        [CAMPANILE, *arguments], env={**kept, **environment}, capture_output=True, text=True, timeout=60
    )


def test_help_lists_every_command() -> None:
    done = call("--help")
    assert done.returncode == 0
    for name in ("demo", "serve", "workspace", "key", "import", "stats", "migrate", "doctor"):
        assert name in done.stdout


@pytest.mark.parametrize(("group", "name"), [(group.name[0], name) for group, name, _, _ in _COMMANDS])
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
        (["nope"], "there is no command 'nope'"),
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


def test_without_the_server_packages_the_message_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['sqlalchemy'] = None\nfrom campanile.cli.main import main\n"
        f"sys.exit(main(['workspace', 'list', '--data', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("campanile: this command needs the server packages (sqlalchemy is missing)")


def test_colours_are_left_out_when_asked() -> None:
    done = call("--help", NO_COLOR="1", FORCE_COLOR="")
    assert "\x1b[3" not in done.stdout


def test_errors_of_several_lines_become_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_settings: object) -> None:
        raise ConfigurationError("first\nsecond")

    monkeypatch.setattr("campanile.cli.workspace.open_workspaces", refuse)
    assert main(["workspace", "list"]) == 2
    assert capsys.readouterr().err == "campanile: first second\n"
