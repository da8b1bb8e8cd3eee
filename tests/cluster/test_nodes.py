"""The test cluster is a real one: two servers that know each other, and that never outlive the tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from tests.support.clickhouse import CLUSTER, ClusterInfo, run_on
from tests.support.processes import wait_until

ROOT = Path(__file__).parent.parent.parent
ABANDONED_CLUSTER = """\
import os, signal
from tests.support.clickhouse import clickhouse_cluster
with clickhouse_cluster() as info:
    print(*info.http_ports, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_both_nodes_see_two_shards(cluster: ClusterInfo) -> None:
    seen = cluster.run(f"SELECT shard_num, port, is_local FROM system.clusters WHERE cluster = '{CLUSTER}' ORDER BY 1")
    first, second = cluster.tcp_ports
    assert seen == [f"1\t{first}\t1\n2\t{second}\t0\n", f"1\t{first}\t0\n2\t{second}\t1\n"]


def test_rows_are_spread_and_found_again(cluster: ClusterInfo) -> None:
    cluster.run("CREATE DATABASE spread")
    try:
        cluster.run("CREATE TABLE spread.part (n UInt64) ENGINE = MergeTree ORDER BY n")
        cluster.run(f"CREATE TABLE spread.whole AS spread.part ENGINE = Distributed('{CLUSTER}', 'spread', 'part', n)")
        first, second = cluster.http_ports
        run_on(
            first, "INSERT INTO spread.whole SETTINGS distributed_foreground_insert = 1 SELECT number FROM numbers(9)"
        )
        assert cluster.run("SELECT count() FROM spread.part") == ["5\n", "4\n"]
        assert run_on(second, "SELECT count(), sum(n) FROM spread.whole") == "9\t36\n"
    finally:
        cluster.run("DROP DATABASE spread SYNC")


def test_nodes_die_with_a_killed_test_process() -> None:
    killed = subprocess.run(
        [sys.executable, "-c", ABANDONED_CLUSTER], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert killed.returncode == -9, killed.stderr
    ports = killed.stdout.split()
    assert len(ports) == 2
    wait_until(lambda: not _commands_with(set(ports)), what="the end of both nodes")


def _commands_with(words: set[str]) -> list[bytes]:
    """Command lines of running processes that hold one of the words."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            commands.append(path.read_bytes())
    return [command for command in commands if words & set(command.decode().split("\0"))]
