"""`campanile hook …`, `campanile deadletter …`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from campanile.cli.connection import USUAL, Connection
from campanile.cli.options import Json, read_json
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
    connection: Connection = USUAL,
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
    with connection.open() as client:
        made = client.hooks.create(provider, name=name, secret=_read(secret), options=options)
    return _show(made, json)


def list_all(*, json: Json = False, connection: Connection = USUAL) -> int:
    """List the hooks of a workspace, without their secrets."""
    with connection.open() as client:
        hooks = client.hooks.all()
    return _list(hooks, json, ("hook_id", "provider", "name", "url"), "No hooks yet.")


def show(
    hook: HookId,
    /,
    *,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Show a hook, without its secrets."""
    with connection.open() as client:
        found = client.hooks.get(hook)
    return _show(found, json)


def rotate(
    hook: HookId,
    /,
    *,
    secret: Secret = None,
    address: Annotated[bool, Parameter(negative="", help="Give it a new URL as well.")] = False,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Give a hook a new secret; the previous one, and the previous URL, work for another day."""
    with connection.open() as client:
        made = client.hooks.rotate(hook, secret=_read(secret), address=address)
    return _show(made, json)


def test(
    hook: HookId,
    file: Annotated[Path | None, Parameter(help="File with a delivery in JSON; a sample if not given.")] = None,
    /,
    *,
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Show what a delivery would do; nothing is stored."""
    delivery = None if file is None else read_json(file)
    with connection.open() as client:
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
    connection: Connection = USUAL,
) -> int:
    """List the last deliveries to a hook and what became of them."""
    with connection.open() as client:
        notes = client.hooks.deliveries(hook)
    columns = ("at", "outcome", "accepted", "duplicates", "ignored", "waiting", "dead_lettered", "error")
    return _list(notes, json, columns, "No deliveries yet.")


def delete(hook: HookId, /, *, connection: Connection = USUAL) -> int:
    """Delete a hook; what it brought stays."""
    with connection.open() as client:
        client.hooks.delete(hook)
    stdout().print(f"Hook {hook} is deleted.")
    return 0


def dead_letters(*, json: Json = False, connection: Connection = USUAL) -> int:
    """List events of receivers that could not be stored, newest first."""
    with connection.open() as client:
        letters = client.hooks.dead_letters()
    return _list(letters, json, ("id", "at", "source", "code", "field", "message"), "No dead letters.")


def retry(
    *ids: Annotated[str, Parameter(help="Ids of dead letters; all if not given.")],
    json: Json = False,
    connection: Connection = USUAL,
) -> int:
    """Try dead letters again; whatever fails again stays."""
    with connection.open() as client:
        outcome = client.hooks.retry(ids or None)
    if json:
        print_json(outcome)
    else:
        stdout().print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in outcome.items()))
    return 1 if outcome["dead_lettered"] else 0


def _read(secret: str | None) -> str | None:
    return sys.stdin.read().strip() if secret == STANDARD_INPUT else secret


def _list(found: list[dict[str, Any]], json: bool, columns: Sequence[str], nothing: str) -> int:
    """Prints members of the rows as a table, or all of them as JSON."""
    if json:
        print_json(found)
        return 0
    rows = [tuple(row[name] for name in columns) for row in found]
    stdout().print(table([name.removeprefix("hook_") for name in columns], rows) if rows else nothing)
    return 0


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
