"""The event store: one SQL dialect, two back ends, one narrow interface."""

from __future__ import annotations

from pathlib import Path

from campanile.engine.engine import Engine, EngineError, QuestionTimeout
from campanile.engine.movements import Movements
from campanile.errors import ConfigurationError
from campanile.settings import Settings

__all__ = ["Engine", "EngineError", "Movements", "QuestionTimeout", "open_engine"]


def open_engine(settings: Settings) -> Engine:
    """Open the store that `settings.engine_url` names: `chdb:///folder` or `clickhouse://…`.

    Raises:
        ConfigurationError: unknown scheme, folder in use. EngineUnavailable: the server does not answer.
    """
    url = settings.resolved_engine_url
    scheme, _, rest = url.partition("://")
    if scheme == "chdb":
        from campanile.engine.chdb import ChdbEngine  # the embedded engine is a large library

        return ChdbEngine(Path(rest), handles=settings.engine_handles, query_timeout=settings.query_timeout)
    if scheme in ("clickhouse", "clickhouses"):
        from campanile.engine.clickhouse import ClickHouseEngine, parse_address

        return ClickHouseEngine(
            parse_address(url), handles=settings.engine_handles, query_timeout=settings.query_timeout
        )
    raise ConfigurationError(f"engine_url: unknown scheme {scheme!r}; use chdb:///folder or clickhouse://host:port/db")
