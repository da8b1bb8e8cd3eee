"""`campanile report download` against the vectors' files, behind a real server."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from campanile.cli.main import main
from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until

A = "WSDEMO0000000000000000A1"
NAME = "Report_-_test_20210217.zip"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    (port,) = free_ports(1)
    with scratch_folder("download-cli") as folder:
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, sys.executable, "-m", "tests.reports.download.fixture", str(port), folder],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[2],
            )
        try:
            wait_until(lambda: b'"ready"' in log.read_bytes(), process, what=f"the server: {log}")
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(process, gently=10)


def run(server: str, *arguments: str, key: str = "demo-campaign-key-A1") -> int:
    return main(["report", "download", *arguments, "--server", server, "--workspace", A, "--key", key])


@pytest.mark.slow
def test_a_file_comes_here(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(server, NAME.removesuffix(".zip")) == 0
    assert "checksum is right" in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / NAME) as package:
        assert package.namelist() == ["Report_-_test_PUSH_20210217.csv"]
    assert run(server, NAME, "--output", "other.zip", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["checked"], answer["resumed_at"]) == ("other.zip", True, 0)
    (tmp_path / "folder").mkdir()
    assert run(server, "20210217.zip", "--daily", "-o", "folder") == 0
    assert sorted(path.name for path in tmp_path.rglob("*.zip")) == ["20210217.zip", NAME, "other.zip"]


@pytest.mark.slow
def test_what_cannot_be_had(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, key, said in [
        ("Missing_20210217.zip", "demo-campaign-key-A1", "Report not found (HTTP 400)"),
        ("Edge_20210213.zip", "demo-campaign-key-A1", "Report has expired (HTTP 400)"),
        (NAME, "another-key", "the signature is missing or invalid"),
    ]:
        assert run(server, name, key=key) == 2
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((NAME, "--key", "k"), "which workspace"),
        ((NAME, "--workspace", "W"), "a key is needed"),
        (("../x.zip", "--workspace", "W", "--key", "k"), "cannot be the name of a file"),
        ((NAME, "--workspace", "W", "--key", "k", "-o", "no/such/x.zip"), "no folder"),
    ],
)
def test_called_the_wrong_way(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "download", *arguments]) == 3
    assert said in capsys.readouterr().err
