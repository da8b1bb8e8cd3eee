"""A full disk or a read-only folder: writes are refused clearly, nothing acknowledged is lost, no restart is needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.refusals import assert_refused_clearly
from tests.support.engines import stored_event_ids
from tests.support.processes import read_only
from tests.support.server import Server, running_server
from tests.support.traffic import Reader, Sender

pytestmark = pytest.mark.slow

DISK_BYTES = 256 * 1024 * 1024
BLOCK = 4096
CAMPAIGN = "68e0c0ffee0000000000000b"
MAY_MOUNT = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


class Disk:
    """A small file system of its own, with a ballast file that leaves a chosen number of bytes."""

    def __init__(self, mount_point: Path) -> None:
        self.mount_point = mount_point
        self._ballast = mount_point / "ballast"

    def leave(self, free: int) -> None:
        """Fill the disk up so that `free` bytes remain."""
        with self._ballast.open("ab") as file:
            while (left := self._free()) > free:
                file.write(b"\0" * max(BLOCK, min(left - free, 1024 * 1024)))
                file.flush()

    def relieve(self) -> None:
        self._ballast.unlink()

    def _free(self) -> int:
        status = os.statvfs(self.mount_point)
        return status.f_bavail * status.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if not MAY_MOUNT:
        pytest.skip("needs the right to mount; as an ordinary user: unshare --map-root-user --mount make test")
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", mount_point], check=True)
    try:
        yield Disk(mount_point)
    finally:
        subprocess.run(["umount", "--lazy", mount_point], check=True)


@contextlib.contextmanager
def traffic(server: Server) -> Iterator[tuple[Sender, Reader]]:
    credentials = server.create_workspace("Disk test")
    sender = Sender(server.url, credentials, CAMPAIGN, "d")
    reader = Reader(server.url, credentials, CAMPAIGN)
    try:
        yield sender, reader
    finally:
        sender.close()
        reader.close()


def assert_all_there(server: Server, sender: Sender, reader: Reader) -> None:
    """Every event was acknowledged in the end and counts once, now and after a restart."""
    assert sender.acknowledged == sender.sent
    assert reader.performance("TOTAL")["sent"] == len(sender.sent)
    server.kill()
    server.start()
    assert reader.performance("TOTAL")["sent"] == len(sender.sent)
    assert reader.performance("UNIQUE")["sent"] == len(sender.sent)
    server.stop()
    assert stored_event_ids(server.data) == sorted(sender.sent)


def test_a_full_disk_refuses_writes_and_recovers_by_itself(disk: Disk) -> None:
    """The disk fills at different depths of a write: before the first byte, within a part, within its last file."""
    settings = {"min_free_bytes": "0"}
    with running_server(disk.mount_point / "data", settings) as server, traffic(server) as (sender, reader):
        assert sender.send(100)
        for left in (0, 2 * BLOCK, 16 * BLOCK, 64 * BLOCK, 256 * BLOCK):
            disk.leave(left)
            acknowledged = True
            while acknowledged:
                acknowledged = sender.send(2000)
            assert reader.count() >= len(sender.acknowledged), "reading needs no free space"
            disk.relieve()
            assert sender.send(100), "writing goes on without a restart"
        assert_refused_clearly(sender.refusals)
        assert sender.resend()
        assert_all_there(server, sender, reader)


def test_the_reserve_is_kept_free(disk: Disk) -> None:
    """Writes stop while some space is left, so that the operator can still work on the machine."""
    with running_server(disk.mount_point / "data") as server, traffic(server) as (sender, reader):
        assert sender.send(100)
        disk.leave(DISK_BYTES // 25)
        assert not sender.send(100)
        assert_refused_clearly(sender.refusals, "disk_full")
        assert reader.count() == len(sender.acknowledged)
        disk.relieve()
        assert sender.resend()
        assert_all_there(server, sender, reader)


def test_a_folder_that_becomes_read_only_refuses_writes_and_recovers(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"min_free_bytes": "0"}, privileged=False)
    server.start()
    try:
        with traffic(server) as (sender, reader):
            assert sender.send(100)
            with read_only(server.data / "engine"):
                assert not sender.send(100)
                assert not sender.send(1)
                assert reader.count() == 100
            assert_refused_clearly(sender.refusals)
            assert sender.resend()
            assert_all_there(server, sender, reader)
    finally:
        server.kill()


def test_a_data_folder_that_cannot_be_written_is_named_at_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", privileged=False)
    server.data.mkdir()
    with read_only(server.data), pytest.raises(RuntimeError, match="ended with status") as caught:
        server.start()
    assert str(server.data) in str(caught.value)
    assert "Traceback" not in str(caught.value)
