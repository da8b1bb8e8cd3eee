"""Questions to the log: one `.sql` file each, loaded by name, tied to one workspace before they can run.

A question never names a table. It reads `{{events}}` (the log without duplicates), `{{raw_events}}` (the log as
written, for lookups to which a repetition makes no difference) or `{{snapshots}}`; each of them is replaced by a
sub-select that carries the workspace predicate. A file that names a table itself, or reads none of them, is refused
when it is loaded, so a question without a tenant filter cannot exist. `{{aliases}}` are the users that were merged into
others; in workspaces that have some, `{{events}}` shows everybody's events under one id (docs/decisions/0010).

What several questions share stands once, in `questions/parts/`: `{{part:touches}}` is replaced by that file's text
before anything else happens, so parts are checked wherever they are used.

Two header lines name the result columns: `-- keys: a, b` and `-- sums: x, y`. On a cluster every shard answers the
question over its own rows and the engine adds the sums per key; without sums the rows of all shards are united.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import msgspec

WORKSPACE_PARAMETER = "{workspace:String}"
ALIASES = "user_aliases"
"""Table of which every node of a cluster has all rows."""

_TENANT = f"workspace_id = {WORKSPACE_PARAMETER}"
_BOUND = "sequence <= {as_of:UInt64}"
_SOURCES = {
    "events": f"(SELECT * FROM {{table}} FINAL WHERE {_TENANT})",
    "raw_events": f"(SELECT * FROM {{table}} WHERE {_TENANT})",
    "snapshots": f"(SELECT * FROM {{table}} FINAL WHERE {_TENANT})",
    "aliases": f"(SELECT * FROM {{table}} FINAL WHERE {_TENANT})",
}
_MERGED_EVENTS = (
    f"(SELECT * FROM {{table}} FINAL WHERE {_TENANT} AND merged <= {{merged_through:UInt64}} AND user_key NOT IN"
    f" (SELECT user_key FROM {{aliases}} WHERE {_TENANT} AND sequence <= {{merged_through:UInt64}}))"
)
"""Events where users were merged: copies of merges that are complete, and no rows of ids that count no more."""
_TABLES = {"events": "events", "raw_events": "events", "snapshots": "snapshots"}
_MACRO = re.compile(r"\{\{(\w+)\}\}")
_PART = re.compile(r"\{\{part:(\w+)\}\}")
_NAMED_TABLE = re.compile(r"\b(?:FROM|(?<!ARRAY )JOIN|TABLE|INTO)\s+(?!\(|\{\{)([A-Za-z_`\"][\w.`\"]*)", re.IGNORECASE)
_TABLE_FUNCTION = re.compile(r"\b(?:remote|remoteSecure|cluster|clusterAllReplicas|merge|url|file|s3|mysql|postgresql"
                             r"|dictGet\w*|joinGet\w*|viewIfPermitted)\s*\(", re.IGNORECASE)  # fmt: skip
_COMMON_TABLE = re.compile(r"\b([A-Za-z_]\w*)\s+AS\s*\(\s*SELECT", re.IGNORECASE)


class UnsafeQuestion(Exception):
    """A question file could read rows outside the caller's workspace; it is not run."""


class Question(msgspec.Struct, frozen=True):
    """A loaded question. `body` still holds the `{{…}}` sources."""

    name: str
    body: str
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    bounded: bool = False
    """Whether it sees the store as of `{as_of:UInt64}`: rows with a later sequence are not there."""
    merged: bool = False
    """Whether it sees the merges of users up to `{merged_through:UInt64}`."""

    @property
    def reads_events(self) -> bool:
        return "{{events}}" in self.body

    def with_merges(self) -> Question:
        """The same question where users were merged."""
        return msgspec.structs.replace(self, merged=True)

    def as_of(self) -> Question:
        """The same question to the store as it was at a sequence.

        Of two copies of an event the one with the lower sequence counts, so what is left is what counted then.
        """
        return msgspec.structs.replace(self, bounded=True)

    def sql(self, database: str, suffix: str = "") -> str:
        """The statement over the tables of `database`; `suffix` marks a shard's own tables."""

        def source(match: re.Match[str]) -> str:
            name = match.group(1)
            source = _MERGED_EVENTS if self.merged and name == "events" else _SOURCES[name]
            table = ALIASES if name == "aliases" else f"{_TABLES[name]}{suffix}"
            source = source.replace("{table}", f"{database}.{table}").replace("{aliases}", f"{database}.{ALIASES}")
            return source.replace(_TENANT, f"{_TENANT} AND {_BOUND}") if self.bounded else source

        return _MACRO.sub(source, self.body)

    def cluster_sql(self, database: str, cluster: str) -> str:
        """The statement that lets every shard answer over its own tables and adds up the integers."""
        shards = f"cluster('{cluster}', view({self.sql(database, '_local')}))"
        if not self.sums:
            return f"SELECT * FROM {shards}"
        columns = [f"`{key}`" for key in self.keys] + [f"sum(`{name}`) AS `{name}`" for name in self.sums]
        grouping = f" GROUP BY {', '.join(f'`{key}`' for key in self.keys)}" if self.keys else ""
        return f"SELECT {', '.join(columns)} FROM {shards}{grouping}"


def parse_question(name: str, text: str) -> Question:
    """Check a question file and take it apart.

    Raises:
        UnsafeQuestion: it names a table or a table function, or reads no tenant source.
    """
    headers = {
        key: tuple(part.strip() for part in value.split(",") if part.strip())
        for key, value in re.findall(r"^--\s*(keys|sums):\s*(.*)$", text, re.MULTILINE)
    }
    body = _with_parts(text).strip().rstrip(";")
    used = _MACRO.findall(body)
    unknown = sorted(set(used) - set(_SOURCES))
    if unknown:
        raise UnsafeQuestion(f"{name}: unknown source {unknown[0]}")
    if not used:
        raise UnsafeQuestion(f"{name}: reads no tenant source")
    defined = {match.lower() for match in _COMMON_TABLE.findall(body)}
    for table in _NAMED_TABLE.findall(body):
        if table.strip('`"').lower() not in defined:
            raise UnsafeQuestion(f"{name}: names the table {table}")
    if _TABLE_FUNCTION.search(body):
        raise UnsafeQuestion(f"{name}: uses a table function")
    if ";" in body:
        raise UnsafeQuestion(f"{name}: more than one statement")
    return Question(name, body, headers.get("keys", ()), headers.get("sums", ()))


def _with_parts(text: str) -> str:
    """A question without comments and with its parts; parts may have parts."""
    return _PART.sub(lambda match: _with_parts(_read(f"parts/{match.group(1)}.sql")), re.sub(r"--[^\n]*", "", text))


def _read(path: str) -> str:
    return (resources.files("campanile.engine") / "questions" / path).read_text(encoding="utf-8")


@cache
def load_question(name: str) -> Question:
    """The question in `questions/<name>.sql`."""
    return parse_question(name, _read(f"{name}.sql"))


def question_names() -> list[str]:
    """All questions of this package, sorted."""
    folder = resources.files("campanile.engine") / "questions"
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
