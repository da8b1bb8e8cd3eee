"""One ClickHouse node, as a process of its own: `python clickhouse_node.py LIBRARY CONFIG DATA TCP_PORT HTTP_PORT`.

The npm build of libchdb exports `query_stable_v2`, which takes the command line of `clickhouse local`. That program can
open the listeners of a real server; the query after that keeps it alive until it is killed.
"""

from __future__ import annotations

import ctypes
import sys

STAY = (
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "
    "SELECT sleepEachRow(3) FROM numbers(1000000) FORMAT Null "
    "SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
)


class Result(ctypes.Structure):
    """`local_result_v2` of libchdb."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("len", ctypes.c_size_t),
        ("vec", ctypes.c_void_p),
        ("elapsed", ctypes.c_double),
        ("rows", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("error", ctypes.c_char_p),
    )


def main(library: str, config: str, data: str, tcp_port: str, http_port: str) -> str:
    """Serve until killed; returns only the reason why that was not possible."""
    arguments = [
        "clickhouse",
        f"--config-file={config}",
        f"--path={data}",
        "--listen_host=127.0.0.1",
        f"--tcp_port={tcp_port}",
        f"--http_port={http_port}",
        f"--query={STAY}",
    ]
    vector = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    query = ctypes.CDLL(library).query_stable_v2
    query.restype = ctypes.POINTER(Result)
    result = query(len(arguments), vector)
    return (result.contents.error or b"ended").decode(errors="replace") if result else "no answer from the library"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
