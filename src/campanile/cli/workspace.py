"""`campanile workspace …`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from campanile.cli.options import Config, Data, Json, WrongUsage, settings_of
from campanile.cli.output import print_json, stdout, table
from campanile.cli.stores import open_workspaces

Text = str | None


def create(
    name: Annotated[str, Parameter(help="What people call the workspace.")],
    /,
    *,
    id: Annotated[Text, Parameter(help="Workspace id; made at random when not given.")] = None,
    timezone: Annotated[str, Parameter(help="IANA time zone whose days all numbers use.", show_default=True)] = "UTC",
    report_key: Annotated[Text, Parameter(help="Value of the report key; made at random when not given.")] = None,
    ingest_key: Annotated[Text, Parameter(help="Value of the ingest key.")] = None,
    manage_key: Annotated[Text, Parameter(help="Value of the manage key.")] = None,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Create a workspace and print its keys, which are shown this once."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        made = workspaces.create(
            name, id=id, timezone=timezone, report_key=report_key, ingest_key=ingest_key, manage_key=manage_key
        )
    keys = {
        "workspace_id": made.workspace.id,
        "report_key": made.report_key,
        "ingest_key": made.ingest_key,
        "manage_key": made.manage_key,
    }
    if json:
        print_json(keys)
        return 0
    console = stdout()
    console.print(f"Workspace {made.workspace.name} ({made.workspace.settings.timezone})")
    console.print(table(("what", "value", "for"), [(name, keys[name], _PURPOSES[name]) for name in keys]))
    console.print("Keys are shown this once; `campanile key regenerate` replaces a lost one.")
    return 0


_PURPOSES = {
    "workspace_id": "user name of every API",
    "report_key": "reading: Stats API password, report signature",
    "ingest_key": "writing events",
    "manage_key": "writing campaigns and report definitions",
}


def list_all(*, json: Json = False, data: Data = None, config: Config = None) -> int:
    """List all workspaces, oldest first."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        known = workspaces.list()
    if json:
        print_json(
            [
                {
                    "workspace_id": workspace.id,
                    "name": workspace.name,
                    "created_at": workspace.created_at,
                    "settings": msgspec.to_builtins(workspace.settings),
                }
                for workspace in known
            ]
        )
        return 0
    rows = [
        (workspace.id, workspace.name, workspace.settings.timezone, f"{workspace.created_at:%Y-%m-%d %H:%M}")
        for workspace in known
    ]
    stdout().print(table(("id", "name", "time zone", "created (UTC)"), rows) if rows else "No workspaces yet.")
    return 0


def set_(
    id: Annotated[str, Parameter(help="Workspace id.")],
    /,
    *changes: Annotated[str, Parameter(help="KEY=VALUE; an empty value restores the default.")],
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Change settings of a workspace; without changes, show them."""
    parsed: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise WrongUsage(f"{change!r} is not of the form KEY=VALUE")
        parsed[name.strip()] = value
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        workspace = workspaces.update_settings(id, parsed)
    values = msgspec.to_builtins(workspace.settings)
    if json:
        print_json({"workspace_id": workspace.id, "settings": values})
        return 0
    shown = values if not parsed else {name: values[name] for name in parsed}
    console = stdout()
    console.print(f"Workspace {workspace.id} ({workspace.name})")
    for name, value in shown.items():
        console.print(f"  {name} = {'' if value is None else str(value).lower() if isinstance(value, bool) else value}")
    return 0
