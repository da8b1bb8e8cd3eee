"""`campanile migrate`."""

from __future__ import annotations

from campanile.cli.options import Config, Data, Json, settings_of
from campanile.cli.output import print_json, stdout
from campanile.engine import open_engine
from campanile.metadata import migrate as migrate_metadata
from campanile.metadata import open_metadata


def migrate(*, json: Json = False, data: Data = None, config: Config = None) -> int:
    """Bring the metadata database and the event store up to date; the embedded store must not be in use."""
    settings = settings_of(config, data=data)
    metadata = open_metadata(settings.resolved_metadata_url)
    try:
        applied = {"metadata": migrate_metadata(metadata.engine)}
    finally:
        metadata.close()
    engine = open_engine(settings)
    try:
        applied["events"] = engine.migrate()
    finally:
        engine.close()
    if json:
        print_json(applied)
        return 0
    for store, names in applied.items():
        stdout().print(f"{store}: {', '.join(names) if names else 'up to date'}")
    return 0
