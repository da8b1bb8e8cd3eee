"""`campanile workspace …` and `campanile key …` on a real metadata database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campanile.cli.main import main


class Cli:
    """Runs commands on one data folder."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data = data
        self._capsys = capsys

    def text(self, *arguments: str, code: int = 0) -> str:
        assert main([*arguments, "--data", str(self._data)]) == code
        captured = self._capsys.readouterr()
        return captured.err if code else captured.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    for name in ("CAMPANILE_METADATA_URL", "CAMPANILE_SECRET_KEY", "CAMPANILE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Cli(tmp_path / "data", capsys)


def test_a_new_workspace_has_three_keys(cli: Cli) -> None:
    made = cli.json("workspace", "create", "Schöner Laden", "--timezone", "Europe/Berlin")
    assert list(made) == ["workspace_id", "report_key", "ingest_key", "manage_key"]
    assert len(made["workspace_id"]) == 24
    (listed,) = cli.json("workspace", "list")
    assert (listed["workspace_id"], listed["name"]) == (made["workspace_id"], "Schöner Laden")
    assert listed["settings"]["timezone"] == "Europe/Berlin"
    kinds = [(key["kind"], key["archived_at"]) for key in cli.json("key", "list", made["workspace_id"])]
    assert sorted(kinds) == [("ingest", None), ("manage", None), ("report", None)]


def test_chosen_values_are_kept(cli: Cli) -> None:
    made = cli.json(
        "workspace", "create", "Shop", "--id", "WS1", "--report-key", "report-key-1", "--ingest-key", "ingest-key-1",
        "--manage-key", "manage-key-1",
    )  # fmt: skip
    assert made == {
        "workspace_id": "WS1", "report_key": "report-key-1", "ingest_key": "ingest-key-1", "manage_key": "manage-key-1",
    }  # fmt: skip
    assert "WS1 exists already" in cli.text("workspace", "create", "Shop", "--id", "WS1", code=2)


def test_people_see_a_table_with_complete_values(cli: Cli) -> None:
    printed = cli.text("workspace", "create", "Shop", "--id", "WS1", "--ingest-key", "k" * 120)
    assert "WS1" in printed
    assert "k" * 120 in printed
    assert "WS1" in cli.text("workspace", "list")
    assert "ingest" in cli.text("key", "list", "WS1")


def test_settings_are_changed_and_shown(cli: Cli) -> None:
    cli.json("workspace", "create", "Shop", "--id", "WS1")
    changed = cli.json("workspace", "set", "WS1", "timezone=Asia/Tokyo", "rate_limit=7", "stats_enabled=false")
    settings = changed["settings"]
    assert (settings["timezone"], settings["rate_limit"], settings["stats_enabled"]) == ("Asia/Tokyo", 7, False)
    assert "rate_limit = 100" in cli.text("workspace", "set", "WS1", "rate_limit=")
    assert "timezone = Asia/Tokyo" in cli.text("workspace", "set", "WS1")
    assert "is not a setting" in cli.text("workspace", "set", "WS1", "colour=red", code=2)
    assert "timezone must be" in cli.text("workspace", "set", "WS1", "timezone=Mars", code=2)
    assert "NONE" in cli.text("workspace", "set", "NONE", "rate_limit=5", code=2)


def test_keys_live_and_end(cli: Cli) -> None:
    cli.json("workspace", "create", "Shop", "--id", "WS1")
    made = cli.json(
        "key", "create", "WS1", "report", "--name", "BI tool", "--scopes", "stats:read", "--dialect", "live"
    )
    assert (made["kind"], made["name"], made["scopes"], made["stats_dialect"]) == (
        "report", "BI tool", ["stats:read"], "live",
    )  # fmt: skip
    again = cli.json("key", "regenerate", "WS1", made["key_id"])
    assert again["value"] != made["value"]
    assert (
        cli.json("key", "regenerate", "WS1", made["key_id"], "--value", "a-value-of-mine")["value"] == "a-value-of-mine"
    )
    assert made["key_id"] in cli.text("key", "archive", "WS1", made["key_id"])
    (listed,) = [key for key in cli.json("key", "list", "WS1") if key["key_id"] == made["key_id"]]
    assert listed["archived_at"]
    assert "value" not in listed
    assert cli.text("key", "regenerate", "WS1", made["key_id"], code=2)


def test_settings_files_name_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "campanile.toml"
    config.write_text(f"data = '{tmp_path / 'elsewhere'}'\n")
    assert main(["workspace", "create", "Shop", "--id", "WS1", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["workspace_id"] == "WS1"
    assert (tmp_path / "elsewhere" / "metadata.db").is_file()
