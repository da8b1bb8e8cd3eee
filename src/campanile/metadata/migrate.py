"""Creating and upgrading the tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from campanile.errors import ConfigurationError

_SCRIPTS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x63616D70
"""Held in PostgreSQL while migrating, so that several processes may start at once."""


def migrate(engine: Engine) -> list[str]:
    """Bring the tables up to date in one transaction; returns the revisions that were applied, oldest first.

    Safe to call from several processes at the same time: all but the first find nothing to do.

    Raises:
        ConfigurationError: the database was written by a newer version of this program.
    """
    config = _config()
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        todo = _pending(connection, config)
        if todo:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return todo


def pending(engine: Engine) -> list[str]:
    """The revisions `migrate` would apply, oldest first.

    Raises:
        ConfigurationError: the database was written by a newer version of this program.
    """
    with engine.connect() as connection:
        return _pending(connection, _config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _pending(connection: Connection, config: Config) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]  # newest first
    if current is None:
        return revisions[::-1]
    if current not in revisions:
        raise ConfigurationError(
            f"the metadata database has schema revision {current}, which this version does not know: "
            "it was written by a newer version"
        )
    return revisions[: revisions.index(current)][::-1]
