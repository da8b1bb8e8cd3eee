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


class Nodes:
    """The processes of a cluster. A node that was killed can be started again on its data and its ports."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2 * NODES)
        self.info = ClusterInfo(http_ports=tuple(ports[:NODES]), tcp_ports=tuple(ports[NODES:]))
        self._folder = folder
        self._config = folder / "config.xml"
        shards = "\n".join(SHARD.format(port=port) for port in self.info.tcp_ports)
        self._config.write_text(CONFIG.format(cluster=CLUSTER, shards=shards))
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, *indexes: int) -> None:
        """Start the nodes with these numbers and wait for them.

        Raises:
            Died, TimeoutError: one of them did not get ready; all of them are ended.
        """
        for index in indexes:
            self._processes[index] = self._spawn(index)
        try:
            for index in indexes:
                ready = partial(_answers, self.info.http_ports[index])
                wait_until(ready, self._processes[index], what=f"ClickHouse node {index}")
        except (Died, TimeoutError):
            self.kill(*indexes)
            raise

    def kill(self, *indexes: int) -> None:
        """End nodes as a power cut would."""
        for index in indexes:
            if index in self._processes:
                stop(self._processes.pop(index))

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("clickhouse_node.py")
        data = self._folder / f"node{index}"
        ports = [str(self.info.tcp_ports[index]), str(self.info.http_ports[index])]
        with data.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [*DIE_WITH_PARENT, sys.executable, str(script), str(LIBRARY), str(self._config), str(data), *ports],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


@contextlib.contextmanager
def clickhouse_nodes() -> Iterator[Nodes]:
    """Two empty nodes that know each other as the cluster `campanile`; gone at the end."""
    if not LIBRARY.is_file():
        raise RuntimeError(f"{LIBRARY.name} is not installed; `make setup` installs it")
    with scratch_folder("clickhouse") as folder:
        nodes = _start(folder)
        try:
            yield nodes
        finally:
            nodes.kill(*range(NODES))


@contextlib.contextmanager
def clickhouse_cluster() -> Iterator[ClusterInfo]:
    """The same for tests that let the nodes live."""
    with clickhouse_nodes() as nodes:
        yield nodes.info


def _start(folder: Path) -> Nodes:
    for attempt in range(STARTS):
        base = folder / str(attempt)
        base.mkdir()
        nodes = Nodes(base)
        try:
            nodes.start(*range(NODES))
        except (Died, TimeoutError) as error:
            if attempt == STARTS - 1:
                logs = "".join(log.read_text() for log in base.glob("*.log"))
                raise RuntimeError(f"{error}\n{logs}") from error
        else:
            return nodes
    raise AssertionError("unreachable")


def _answers(port: int) -> bool:
    try:
        return run_on(port, "SELECT 1").strip() == "1"
    except (OSError, http.client.HTTPException):
        return False
