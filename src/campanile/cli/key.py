"""`campanile key …`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cyclopts import Parameter

from campanile.cli.options import Config, Data, Json, settings_of
from campanile.cli.output import print_json, stdout, table
from campanile.cli.stores import open_workspaces
from campanile.workspaces.schemas import CreatedKey, Key

Workspace = Annotated[str, Parameter(help="Workspace id.")]
KeyId = Annotated[str, Parameter(help="Id of the key, see `campanile key list`.")]
Value = Annotated[str | None, Parameter(help="The new value; made at random when not given.")]


def create(
    workspace: Workspace,
    kind: Annotated[Literal["report", "ingest", "manage"], Parameter(help="What the key is for.")],
    /,
    *,
    name: Annotated[str, Parameter(help="A remark to tell keys apart.")] = "",
    value: Value = None,
    scopes: Annotated[
        list[str] | None, Parameter(consume_multiple=True, negative="", help="Narrow what the key may do.")
    ] = None,
    dialect: Annotated[
        Literal["docs", "live"] | None, Parameter(help="Spelling of Stats API answers to this key.")
    ] = None,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Create one more key and print its value, which is shown this once."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        made = workspaces.create_key(workspace, kind, name=name, value=value, scopes=scopes, stats_dialect=dialect)
    return _show_value(made, json)


def list_all(workspace: Workspace, /, *, json: Json = False, data: Data = None, config: Config = None) -> int:
    """List the keys of a workspace, archived ones included."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        known = workspaces.list_keys(workspace)
    if json:
        print_json([_as_json(key) for key in known])
        return 0
    rows = [
        (key.id, key.kind, key.name, "archived" if key.archived_at else "active", f"{key.created_at:%Y-%m-%d %H:%M}",
         " ".join(sorted(key.scopes)))
        for key in known
    ]  # fmt: skip
    stdout().print(table(("id", "kind", "name", "status", "created (UTC)", "scopes"), rows))
    return 0


def regenerate(
    workspace: Workspace,
    key: KeyId,
    /,
    *,
    value: Value = None,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Give a key a new value; the old one stops working at once."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        made = workspaces.regenerate_key(workspace, key, value=value)
    return _show_value(made, json)


def archive(
    workspace: Workspace, key: KeyId, /, *, json: Json = False, data: Data = None, config: Config = None
) -> int:
    """Switch a key off for good."""
    with open_workspaces(settings_of(config, data=data)) as workspaces:
        archived = workspaces.archive_key(workspace, key)
    if json:
        print_json(_as_json(archived))
    else:
        stdout().print(f"Key {archived.id} ({archived.kind}) is archived.")
    return 0


def _show_value(made: CreatedKey, json: bool) -> int:
    if json:
        print_json({**_as_json(made.key), "value": made.value})
    else:
        stdout().print(f"{made.key.kind} key {made.key.id}, shown this once:")
        stdout().print(made.value, soft_wrap=True)
    return 0


def _as_json(key: Key) -> dict[str, Any]:
    return {
        "key_id": key.id,
        "workspace_id": key.workspace_id,
        "kind": key.kind,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "stats_dialect": key.stats_dialect,
        "created_at": key.created_at,
        "regenerated_at": key.regenerated_at,
        "archived_at": key.archived_at,
    }
