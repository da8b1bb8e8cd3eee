"""A server that speaks S3, as a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
import sys
from collections.abc import Iterator

from tests.support.processes import DIE_WITH_PARENT, free_ports, status_of, stop, wait_until

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Yields the address of an empty server, `http://127.0.0.1:port`."""
    (port,) = free_ports(1)
    script = "from moto.server import main; import sys; main(sys.argv[1:])"
    process = subprocess.Popen(
        [*DIE_WITH_PARENT, sys.executable, "-W", "ignore", "-c", script, "-H", "127.0.0.1", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: 0 < status_of(f"http://127.0.0.1:{port}/moto-api/") < 500, process, what="the S3 server")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def make_bucket(url: str, name: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    connection.close()


def list_bucket(url: str, name: str) -> list[str]:
    """The keys of all complete objects."""
    return re.findall(r"<Key>([^<]+)</Key>", _get(url, f"/{name}?list-type=2"))


def uploads_of(url: str, name: str) -> list[str]:
    """The keys of uploads that were begun and neither completed nor given up."""
    return re.findall(r"<Key>([^<]+)</Key>", _get(url, f"/{name}?uploads"))


def _get(url: str, path: str) -> str:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    text = answer.read().decode()
    connection.close()
    return text
