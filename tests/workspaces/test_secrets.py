"""The master key: where it comes from, who may read it, and what it hides."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from campanile.errors import ConfigurationError
from campanile.settings import Settings
from campanile.workspaces.secrets import MasterKey, load_master_key

TEXT = "correct horse battery staple, again"


def test_what_is_sealed_can_be_opened_for_the_same_purpose_only() -> None:
    key = MasterKey(TEXT)
    sealed = key.seal(b"secret", "key:W1:a")
    assert b"secret" not in sealed
    assert sealed != key.seal(b"secret", "key:W1:a")
    assert key.open(sealed, "key:W1:a") == b"secret"
    assert MasterKey(TEXT).open(sealed, "key:W1:a") == b"secret"
    for broken in (sealed[:-1], b"\x02" + sealed[1:], b"", sealed[:20]):
        with pytest.raises(ConfigurationError, match="another secret key"):
            key.open(broken, "key:W1:a")
    with pytest.raises(ConfigurationError):
        key.open(sealed, "key:W1:b")
    with pytest.raises(ConfigurationError):
        MasterKey(TEXT + "!").open(sealed, "key:W1:a")


def test_digests_depend_on_the_master_key() -> None:
    assert MasterKey(TEXT).digest("k") == MasterKey(TEXT).digest("k")
    assert MasterKey(TEXT).digest("k") != MasterKey(TEXT).digest("K")
    assert MasterKey(TEXT).digest("k") != MasterKey(TEXT + "!").digest("k")


def test_the_fingerprint_tells_keys_apart_and_reveals_none() -> None:
    key = MasterKey(TEXT)
    assert key.fingerprint == MasterKey(TEXT).fingerprint != MasterKey(TEXT + "!").fingerprint
    assert TEXT not in key.fingerprint


@pytest.mark.parametrize("text", ["", "short", "x" * 31])
def test_a_short_master_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="at least 32 characters"):
        MasterKey(text)


def test_the_key_of_the_settings_comes_before_the_file(tmp_path: Path) -> None:
    assert load_master_key(Settings(data=str(tmp_path), secret_key=TEXT)).fingerprint == MasterKey(TEXT).fingerprint
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path / "new"))
    first = load_master_key(settings)
    path = tmp_path / "new" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 32
    assert load_master_key(settings).fingerprint == first.fingerprint
    assert [item.name for item in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_master_key(settings), range(32)))
    assert len({key.fingerprint for key in keys}) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret.key"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_master_key(Settings(data=str(tmp_path)))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(os.urandom(3) + b"\xff" * 40)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"secret\.key"):
        load_master_key(Settings(data=str(tmp_path)))
    path.write_text("short")
    with pytest.raises(ConfigurationError, match="at least 32"):
        load_master_key(Settings(data=str(tmp_path)))
