"""`campanile hook …`, `campanile deadletter …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.options import Json, WrongUsage
from campanile.cli.output import print_json, stdout, table

STANDARD_INPUT = "-"

HookId = Annotated[str, Parameter(help="Id of the hook, see `campanile hook list`.")]
Secret = Annotated[str | None, Parameter(help="The provider's secret or public key; `-` reads it from standard input.")]
Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")]


def create(
    provider: Annotated[
        Literal["sendgrid", "ses", "mailgun", "postmark", "twilio", "whatsapp"], Parameter(help="Who will post.")
    ],
    /,
    *,
    name: Annotated[str, Parameter(help="A remark to tell hooks apart.")] = "",
    secret: Secret = None,
    types: Annotated[Names, Parameter(help="Event types that are taken; all if not given.")] = None,
    campaign: Annotated[str, Parameter(help="Campaign of events that name none.")] = "",
    topic: Annotated[Names, Parameter(help="Amazon SES: ARNs of the topics that may post.")] = None,
    phone_number_id: Annotated[Names, Parameter(help="WhatsApp: own numbers whose events are taken.")] = None,
    channel: Annotated[Literal["SMS", "MMS"] | None, Parameter(help="Twilio: what plain messages are.")] = None,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Create a hook and print its URL; secrets made by the server are shown this once."""
    given = {
        "types": types,
        "campaign_id": campaign,
        "topics": topic,
        "phone_number_ids": phone_number_id,
        "channel": channel,
    }
    options = {option: value for option, value in given.items() if value}
    with connect(server, workspace, key) as client:
        made = client.hooks.create(provider, name=name, secret=_read(secret), options=options)
    return _show(made, json)


def list_all(
    *, json: Json = False, server: Server = DEFAULT_SERVER, workspace: Workspace = "", key: ClientKey = ""
) -> int:
    """List the hooks of a workspace, without their secrets."""
    with connect(server, workspace, key) as client:
        hooks = client.hooks.all()
    if json:
        print_json(hooks)
        return 0
    rows = [(hook["hook_id"], hook["provider"], hook["name"], hook["url"]) for hook in hooks]
    stdout().print(table(("id", "provider", "name", "url"), rows) if rows else "No hooks yet.")
    return 0


def show(
    hook: HookId,
    /,
    *,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Show a hook, without its secrets."""
    with connect(server, workspace, key) as client:
        found = client.hooks.get(hook)
    return _show(found, json)


def rotate(
    hook: HookId,
    /,
    *,
    secret: Secret = None,
    address: Annotated[bool, Parameter(negative="", help="Give it a new URL as well.")] = False,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Give a hook a new secret; the previous one, and the previous URL, work for another day."""
    with connect(server, workspace, key) as client:
        made = client.hooks.rotate(hook, secret=_read(secret), address=address)
    return _show(made, json)


def test(
    hook: HookId,
    file: Annotated[Path | None, Parameter(help="File with a delivery in JSON; a sample if not given.")] = None,
    /,
    *,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Show what a delivery would do; nothing is stored."""
    delivery = None if file is None else _delivery(file)
    with connect(server, workspace, key) as client:
        trial = client.hooks.test(hook, delivery)
    if json:
        print_json(trial)
        return 1 if trial["problems"] else 0
    console = stdout()
    columns = ("type", "campaign_id", "user_id", "event_id")
    rows = [tuple(event.get(name, "") for name in columns) for event in trial["events"]]
    console.print(table(columns, rows) if rows else "No events.")
    for problem in trial["problems"]:
        console.print(f"{problem['type']}: {problem['message']}")
    return 1 if trial["problems"] else 0


def deliveries(
    hook: HookId,
    /,
    *,
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """List the last deliveries to a hook and what became of them."""
    with connect(server, workspace, key) as client:
        notes = client.hooks.deliveries(hook)
    if json:
        print_json(notes)
        return 0
    columns = ("at", "outcome", "accepted", "duplicates", "ignored", "waiting", "dead_lettered", "error")
    rows = [tuple(note[name] for name in columns) for note in notes]
    stdout().print(table(columns, rows) if rows else "No deliveries yet.")
    return 0


def delete(hook: HookId, /, *, server: Server = DEFAULT_SERVER, workspace: Workspace = "", key: ClientKey = "") -> int:
    """Delete a hook; what it brought stays."""
    with connect(server, workspace, key) as client:
        client.hooks.delete(hook)
    stdout().print(f"Hook {hook} is deleted.")
    return 0


def dead_letters(
    *, json: Json = False, server: Server = DEFAULT_SERVER, workspace: Workspace = "", key: ClientKey = ""
) -> int:
    """List events of receivers that could not be stored, newest first."""
    with connect(server, workspace, key) as client:
        letters = client.hooks.dead_letters()
    if json:
        print_json(letters)
        return 0
    columns = ("id", "at", "source", "code", "field", "message")
    rows = [tuple(letter[name] for name in columns) for letter in letters]
    stdout().print(table(columns, rows) if rows else "No dead letters.")
    return 0


def retry(
    *ids: Annotated[str, Parameter(help="Ids of dead letters; all if not given.")],
    json: Json = False,
    server: Server = DEFAULT_SERVER,
    workspace: Workspace = "",
    key: ClientKey = "",
) -> int:
    """Try dead letters again; whatever fails again stays."""
    with connect(server, workspace, key) as client:
        outcome = client.hooks.retry(ids or None)
    if json:
        print_json(outcome)
    else:
        stdout().print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in outcome.items()))
    return 1 if outcome["dead_lettered"] else 0


def _read(secret: str | None) -> str | None:
    return sys.stdin.read().strip() if secret == STANDARD_INPUT else secret


def _delivery(file: Path) -> object:
    try:
        return msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise WrongUsage(f"{file} is not JSON: {error}") from error


def _show(hook: dict[str, Any], json: bool) -> int:
    if json:
        print_json(hook)
        return 0
    console = stdout()
    console.print(f"Hook {hook['hook_id']} ({hook['provider']}, {hook['name']})")
    console.print(hook["url"], soft_wrap=True)
    for name, text in (("secret", "Secret"), ("verify_token", "Verify token")):
        if name in hook:
            console.print(f"{text}, shown this once: {hook[name]}", soft_wrap=True)
    console.print(f"Its secret is: {hook['secret_is']}.", soft_wrap=True)
    return 0
