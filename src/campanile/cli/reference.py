"""The reference pages of settings, command line and HTTP API: `python -m campanile.cli.reference settings|cli|http`."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise

from rich.console import Console

from campanile.app import OPERATIONS
from campanile.cli.main import app
from campanile.cli.options import EXIT_CODES
from campanile.settings import ENVIRONMENT_PREFIX, Settings

_HTTP = """\
# HTTP API

Every operation, as `/openapi.json` describes it. A running server shows each with its parameters, its answers and a
command that works at `/docs`, and has a Postman collection at `/postman.json`.

Keys go into `Authorization: Basic` as the password beside the workspace id, or alone as a `Bearer` token where the
description says so. *Signature* means that one made with the report key takes their place; deliveries of providers
are checked by the providers' own. Errors of `/v1` have one shape, with the member that is wrong:

```json
{"error": {"type": "…", "message": "…", "attribute": "…", "request_id": "…"},
 "errors": [{"type": "…", "message": "…", "attribute": "…"}]}
```

Paths that MoEngage has, too, keep its errors. Every answer has an `X-Request-Id`, which is also in the server's log."""


def settings_page() -> str:
    """`docs/reference/settings.md`, from the struct and the texts beside its fields."""
    lines = [
        "# Settings",
        "",
        "Defaults, overlaid by a TOML file (`--config FILE`), by environment variables, by flags. A workspace has",
        "settings of its own, see [Operating](../operating.md).",
        "",
        "| name in the file | variable | default | meaning |",
        "|---|---|---|---|",
    ]
    values = Settings()
    for name, text in _field_texts():
        default = getattr(values, name)
        shown = f"`{default}`" if default != "" else ""
        lines.append(f"| `{name}` | `{ENVIRONMENT_PREFIX}{name.upper()}` | {shown} | {text} |")
    return "\n".join(lines) + "\n"


def _field_texts() -> Iterator[tuple[str, str]]:
    tree = ast.parse(inspect.getsource(Settings))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            yield field.target.id, " ".join(str(ast.literal_eval(text.value)).split()).replace("|", "\\|")


def cli_page() -> str:
    """`docs/reference/cli.md`: what `--help` says of every command."""
    parts = [
        "# Command line",
        "",
        "Answers go to standard output, remarks and errors to standard error; an error is one line. Terminals get",
        "colours, unless `NO_COLOR` is set. [Shell completion](../client.md#completion-in-shells) knows all of this.",
        "",
        "| exit code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
    ]
    for command in _commands():
        parts += [f"## {' '.join(('campanile', *command))}", "", "```text", _help(command), "```", ""]
    return "\n".join(parts)


def http_page() -> str:
    """`docs/reference/http.md`: every operation of the API, in the order of its description."""
    lines = [_HTTP]
    for tag in dict.fromkeys(operation.tag for operation in OPERATIONS):
        lines += ["", f"## {tag.capitalize()}", "", "| operation | scope of the key | what it does |", "|---|---|---|"]
        for operation in OPERATIONS:
            if operation.tag == tag:
                scope = f"`{operation.scope}`" if operation.scope else "signature" if operation.signed else "none"
                lines.append(f"| `{operation.method} {operation.path}` | {scope} | {operation.summary} |")
    return "\n".join(lines) + "\n"


def _commands() -> Iterator[tuple[str, ...]]:
    yield ()
    for name in sorted(app):
        if name.startswith("-"):
            continue
        inner = [each for each in app[name] if not each.startswith("-")]
        if inner:
            yield from ((name, each) for each in sorted(inner))
        else:
            yield (name,)


def _help(command: tuple[str, ...]) -> str:
    written = StringIO()
    app.help_print(list(command), console=Console(file=written, width=110, color_system=None, legacy_windows=False))
    return "\n".join(line.rstrip() for line in written.getvalue().strip().splitlines())


if __name__ == "__main__":
    sys.stdout.write({"settings": settings_page, "cli": cli_page, "http": http_page}[sys.argv[1]]())
