"""A private PostgreSQL on loopback, thrown away afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.support.processes import DIE_WITH_PARENT, free_ports, scratch_folder, stop, wait_until

SUPERUSER = "campanile"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "Asia/Kolkata",  # not UTC: nothing may depend on the zone of the server
}


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Yields the `postgresql://` address of the first database of an empty cluster; durability is off."""
    binaries = _binaries()
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with scratch_folder("postgres") as folder:
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (port,) = free_ports(1)
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        url = f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*DIE_WITH_PARENT, binaries / "postgres", "-D", data, "-k", folder, "-p", str(port), *options],
                user=user,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: _answers(url), process, what="postgres")
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown; SIGTERM would wait for clients to leave
            stop(process, gently=10)


@contextlib.contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """Yields the address of a new, empty database on `server`, dropped afterwards."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server.rsplit('/', 1)[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise RuntimeError("PostgreSQL is not installed; `make setup` installs it")
    return Path(on_path).parent
