"""A cluster of two genuine ClickHouse nodes on loopback, without Docker and without root."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import DIE_WITH_PARENT, Died, free_ports, scratch_folder, stop, wait_until

CLUSTER = "campanile"
NODES = 2
STARTS = 3
"""Attempts: another process may take a port between our look and the server's bind."""
START_SECONDS = 60
LIBRARY = Path(__file__).parent.parent / "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"

CONFIG = """\
<clickhouse>
  <logger><level>none</level></logger>
  <max_server_memory_usage>2500000000</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>16777216</uncompressed_cache_size>
  <max_thread_pool_size>500</max_thread_pool_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <remote_servers>
    <{cluster}>
{shards}
    </{cluster}>
  </remote_servers>
  <users><default>
    <password></password>
    <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
  </default></users>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
</clickhouse>
"""
SHARD = (
    "      <shard><internal_replication>true</internal_replication>"
    "<replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
)


class ClusterInfo(NamedTuple):
    """Where the nodes listen, one per shard, in shard order."""

    http_ports: tuple[int, ...]
    tcp_ports: tuple[int, ...]

    @property
    def url(self) -> str:
        """The engine address of the whole cluster."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.http_ports)
        return f"clickhouse://default:@{hosts}/campanile?cluster={CLUSTER}"

    def run(self, statement: str) -> list[str]:
        """Run one statement on every node, past our engine; the answers as text."""
        return [run_on(port, statement) for port in self.http_ports]


def run_on(http_port: int, statement: str) -> str:
    """Run one statement on the node at `http_port`.

    Raises:
        RuntimeError: the node refused it; the message is the node's.
    """
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=60)
    try:
        connection.request("POST", "/", body=statement.encode())
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(text)
    return text


@contextlib.contextmanager
def clickhouse_cluster() -> Iterator[ClusterInfo]:
    """Two empty nodes that know each other as the cluster `campanile`; gone at the end."""
    if not LIBRARY.is_file():
        raise RuntimeError(f"{LIBRARY.name} is not installed; `make setup` installs it")
    with scratch_folder("clickhouse") as folder:
        info, nodes = _start(folder)
        try:
            yield info
        finally:
            for node in nodes:
                stop(node)


def _start(folder: Path) -> tuple[ClusterInfo, list[subprocess.Popen[bytes]]]:
    for attempt in range(1, STARTS + 1):
        ports = free_ports(2 * NODES)
        info = ClusterInfo(http_ports=tuple(ports[:NODES]), tcp_ports=tuple(ports[NODES:]))
        base = folder / str(attempt)
        base.mkdir()
        config = base / "config.xml"
        shards = "\n".join(SHARD.format(port=port) for port in info.tcp_ports)
        config.write_text(CONFIG.format(cluster=CLUSTER, shards=shards))
        nodes = [_spawn(config, base / f"node{index}", info, index) for index in range(NODES)]
        try:
            for node, port in zip(nodes, info.http_ports, strict=True):
                wait_until(partial(_answers, port), node, seconds=START_SECONDS, what="a ClickHouse node")
        except (Died, TimeoutError) as error:
            for node in nodes:
                stop(node)
            if attempt == STARTS:
                logs = "".join((base / f"node{index}.log").read_text() for index in range(NODES))
                raise RuntimeError(f"{error}\n{logs}") from error
        else:
            return info, nodes
    raise AssertionError("unreachable")


def _spawn(config: Path, data: Path, info: ClusterInfo, index: int) -> subprocess.Popen[bytes]:
    script = Path(__file__).with_name("clickhouse_node.py")
    ports = [str(info.tcp_ports[index]), str(info.http_ports[index])]
    with data.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [*DIE_WITH_PARENT, sys.executable, str(script), str(LIBRARY), str(config), str(data), *ports],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _answers(port: int) -> bool:
    try:
        return run_on(port, "SELECT 1").strip() == "1"
    except (OSError, http.client.HTTPException):
        return False
