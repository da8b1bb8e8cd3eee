"""`campanile completion`, in a real shell where there is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from campanile.cli.main import COMMANDS, main
from tests.cli.test_main import light

pytestmark = pytest.mark.slow  # every command is loaded for the script

SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_in_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    missing = [name for _, name, _, _ in COMMANDS if name not in script]
    assert missing == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_the_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, timeout=60)


QUESTIONS = pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("sta",), {"stats"}),
        (("campaigns", ""), {"search"}),
        (("stats", "--form"), {"--format"}),
        (("stats", "--format", "pa"), {"parquet"}),
        (("stats", "--metric-type", ""), {"TOTAL", "UNIQUE"}),
        (("workspace", "cr"), {"create"}),
    ],
)


@QUESTIONS
def test_fish_completes(
    words: tuple[str, ...], wanted: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "fish"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    line = " ".join(("campanile", *words))
    command = ["fish", "--no-config", "-c", f"source {tmp_path / 'script'}; complete -C '{line}'"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert wanted <= {found.split("\t")[0] for found in done.stdout.splitlines()}


@QUESTIONS
def test_bash_completes(
    words: tuple[str, ...], wanted: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    script = (
        f'source {tmp_path / "script"}; COMP_WORDS=(campanile "$@"); COMP_CWORD=$#; '
        'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; '
        '_campanile campanile "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert wanted <= set(done.stdout.split())


def test_without_the_server_packages_names_are_completed_all_the_same() -> None:
    done = light("completion", "bash")
    assert done.returncode == 0, done.stderr
    for name in ("demo", "serve", "search", "--metric-type"):
        assert name in done.stdout
