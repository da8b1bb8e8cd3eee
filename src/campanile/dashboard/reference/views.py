"""The API description as the page shows it: chapters, operations, rows of fields, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

MAX_DEPTH = 4
"""Levels of members that tables of fields show; deeper ones are in the document."""

Schema = Mapping[str, Any]


class Field(msgspec.Struct, frozen=True):
    """A row of a table: a parameter or a member of a body."""

    name: str
    place: str
    kind: str
    required: bool
    text: str


class Answer(msgspec.Struct, frozen=True):
    """A status."""

    status: str
    text: str
    fields: tuple[Field, ...]


class Entry(msgspec.Struct, frozen=True):
    """An operation."""

    anchor: str
    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    fields: tuple[Field, ...]
    answers: tuple[Answer, ...]
    command: str


def chapters(document: Mapping[str, Any], base: str) -> dict[str, list[Entry]]:
    """Operations by tag, in the order of the document; HEAD is left out, it follows from GET."""
    found: dict[str, list[Entry]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "head":
                found.setdefault(operation["tags"][0], []).append(_entry(method.upper(), path, operation, base))
    return found


def command(method: str, path: str, operation: Mapping[str, Any], base: str) -> str:
    """A curl command; credentials are names of shell variables."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and "example" in parameter:
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
    parts = [f"curl -s {'' if method in ('GET', 'POST') else f'-X {method} '}{shlex.quote(base + path)}"]
    scope = operation.get("x-scope", "")
    if scope:
        parts.append('-u "$WORKSPACE:$KEY"')
    elif {"signature": []} in operation["security"]:
        parts.append('-H "Signature: $(printf %s "$WORKSPACE|$FILENAME|$KEY" | sha256sum | cut -d" " -f1)"')
    names = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "header" and item["required"]]
    parts += [f'-H "{name}: $WORKSPACE"' for name in names if name == "MOE-APPKEY"]
    content = operation.get("requestBody", {}).get("content", {})
    for media, shown in content.items():
        if "example" in shown:
            example = shown["example"]
            text = example if isinstance(example, str) else msgspec.json.encode(example).decode()
            parts += [f"-H 'Content-Type: {media}'", f"--data-binary {shlex.quote(text)}"]
            break
    else:
        parts += ["-X POST"] if method == "POST" else []
    return " \\\n  ".join(parts)


def _entry(method: str, path: str, operation: Mapping[str, Any], base: str) -> Entry:
    parameters = tuple(
        Field(item["name"], item["in"], kind_of(item["schema"]), item["required"], item["description"])
        for item in operation.get("parameters", ())
    )
    body: tuple[Field, ...] = ()
    for media, shown in operation.get("requestBody", {}).get("content", {}).items():
        body += tuple(_fields(shown["schema"], media))
    answers = tuple(
        Answer(status, answer["description"], tuple(_answer_fields(status, answer)))
        for status, answer in sorted(operation["responses"].items())
    )
    return Entry(
        anchor=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        paragraphs=tuple(operation["description"].split("\n\n")),
        fields=(*parameters, *body),
        answers=answers,
        command=command(method, path, operation, base),
    )


def _answer_fields(status: str, answer: Mapping[str, Any]) -> Iterator[Field]:
    """Members of answers that are no errors: those have one form per API."""
    if status < "400":
        for media, shown in answer.get("content", {}).items():
            yield from _fields(shown["schema"], media)


def _fields(schema: Schema, place: str, prefix: str = "", depth: int = 0) -> Iterator[Field]:
    """Members in the order of the schema; those of lists and of maps are written `list[].member` and `map.*.member`."""
    if depth > MAX_DEPTH:
        return
    required = set(schema.get("required", ()))
    for name, member in schema.get("properties", {}).items():
        full = f"{prefix}{name}"
        yield Field(full, place, kind_of(member), name in required, member.get("description", ""))
        yield from _fields(member, place, f"{full}.", depth + 1)
    if isinstance(schema.get("items"), Mapping):
        yield from _fields(schema["items"], place, f"{prefix.removesuffix('.')}[].", depth + 1)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _fields(schema["additionalProperties"], place, f"{prefix}*.", depth + 1)


def kind_of(schema: Schema) -> str:
    """The kind of a value in a few words."""
    if "enum" in schema:
        return " | ".join(str(word) for word in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        text += f" ({'' if low is None else low}–{'' if high is None else high})"
    if isinstance(schema.get("items"), Mapping) and "properties" not in schema["items"]:
        text += f" of {kind_of(schema['items'])}"
    return text
