"""The shape of the package: who may import whom, and who may know what. Each rule is shown to fail on a small tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
NOUNS = frozenset(
    {
        "workspaces", "campaigns", "intake", "hooks", "stats", "reports", "dashboard", "attribution", "experiments",
        "users", "audit",
    }
)  # fmt: skip
MEETING_PLACES = frozenset({"service", "schemas", "event"})
"""Modules of a noun that other nouns may import; `intake.event` is the shape of a fact."""
ROLES = {"schemas": 0, "repository": 1, "service": 2, "routes": 3, "openapi": 3}
COMPOSERS = frozenset({"app", "cli", "demo", "services"})
"""Parts that put the others together: they may import anything. Routes get their services as `services.Services`."""
IO_LIBRARIES = frozenset({
    "asyncio", "anyio", "chdb", "clickhouse_connect", "granian", "http", "httpx", "litestar", "os", "pathlib", "shutil",
    "socket", "sqlalchemy", "sqlite3", "subprocess", "tempfile", "urllib", "uvicorn",
})  # fmt: skip
ENGINE_LIBRARIES = frozenset({"chdb", "clickhouse_connect"})
SYSTEM_CLOCKS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.localtime"}
)
TABLE_IN_SQL = re.compile(r"\b(?:FROM|INTO|JOIN|TABLE|UPDATE)\s+(?:\S+\.)?(?:events|snapshots)(?:_local)?\b")
MAX_LINES = 500
LONG_FILES: frozenset[str] = frozenset()
"""Files that may be longer. A file over 500 lines is two files, so this stays empty."""


@dataclass
class Module:
    """A file of the package. `part` is the folder (or file) below the package, `role` the file's own name."""

    path: str
    part: str
    role: str
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    @cached_property
    def imports(self) -> list[tuple[str, ...]]:
        """Every imported name in full, split at the dots: `from campanile.a import b` is (campanile, a, b)."""
        return list(self._imports())

    def _imports(self) -> Iterator[tuple[str, ...]]:
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from (tuple(alias.name.split(".")) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = (node.module or "").split(".")
                if node.level:  # relative: count up from the file's own folder
                    base = list(Path(self.path).with_suffix("").parts[: -node.level]) + (base if node.module else [])
                yield from ((*base, alias.name) for alias in node.names)

    @property
    def ours(self) -> Iterator[tuple[str, str]]:
        """Imports of our own package as (part, module): (`campaigns`, `service`), (`clock`, ``)."""
        for name in self.imports:
            if name[0] == "campanile" and len(name) > 1:
                yield name[1], name[2] if len(name) > 2 else ""

    @property
    def libraries(self) -> set[str]:
        return {name[0] for name in self.imports}


def parse(files: Mapping[str, str]) -> list[Module]:
    modules = []
    for path, text in files.items():
        parts = Path(path).with_suffix("").parts
        modules.append(Module(path, parts[1], parts[-1], text))
    return modules


def downwards(module: Module) -> Iterator[str]:
    """routes → service → repository: no file imports a role above its own, and routes never skip the service."""
    if module.part not in NOUNS:
        return
    own = ROLES.get(module.role, ROLES["service"])
    for part, name in module.ours:
        if part in NOUNS and ROLES.get(name, 0) > own:
            yield f"imports {part}.{name}, which is above it"
        if module.role == "routes" and (name == "repository" or part in ("engine", "metadata")):
            yield f"imports {part}.{name}".rstrip(".") + ": routes ask the service"


def nouns_meet_in_services(module: Module) -> Iterator[str]:
    for part, name in module.ours:
        if part in NOUNS - {module.part} and module.part not in COMPOSERS and name not in MEETING_PLACES:
            yield f"imports {part}.{name}: nouns meet only through services and schemas"


def below_is_unaware(module: Module) -> Iterator[str]:
    """The engine, the metadata store and the shared tools know nothing of the nouns above them."""
    allowed = {
        "kit": {"kit"},
        "metrics": {"metrics", "kit"},
        "engine": {"engine", "kit", "errors", "settings", "clock"},
        "metadata": {"metadata", "kit", "errors", "settings", "clock"},
        "client": {"client", "kit", "__version__"},
    }.get(module.part)
    if allowed is not None:
        yield from (f"imports {part}.{name}".rstrip(".") for part, name in module.ours if part not in allowed)


def pure(module: Module) -> Iterator[str]:
    if module.part in ("kit", "metrics"):
        yield from (f"imports {name}: no input or output here" for name in sorted(module.libraries & IO_LIBRARIES))


def libraries_at_home(module: Module) -> Iterator[str]:
    """The engine's drivers, SQLAlchemy and the web framework each have one place."""
    homes: dict[str, bool] = {
        **dict.fromkeys(ENGINE_LIBRARIES, module.part == "engine"),
        "sqlalchemy": module.part == "metadata" or module.role == "repository",
        "alembic": module.part == "metadata",
        "litestar": module.part in ("http", "app") or module.role == "routes",
    }
    yield from (f"imports {name}" for name in sorted(module.libraries) if not homes.get(name, True))


def composed_from_above(module: Module) -> Iterator[str]:
    above = COMPOSERS - ({"services"} if module.role == "routes" else set())
    if module.part not in COMPOSERS:
        yield from (f"imports {part}, which puts it together" for part, _ in module.ours if part in above)


def http_stays_in_routes(module: Module) -> Iterator[str]:
    if module.part not in COMPOSERS | {"http"} and module.role not in ("routes", "openapi"):
        yield from (f"imports http.{name}: only routes speak HTTP" for part, name in module.ours if part == "http")


def _said(node: ast.Attribute) -> str:
    """The attribute with the name before it: `now` of `datetime.datetime.now` is `datetime.now`."""
    before = node.value
    owner = before.attr if isinstance(before, ast.Attribute) else before.id if isinstance(before, ast.Name) else ""
    return f"{owner}.{node.attr}"


def one_clock(module: Module) -> Iterator[str]:
    if module.path.endswith("campanile/clock.py"):
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and _said(node) in SYSTEM_CLOCKS:
            yield f"line {node.lineno}: reads the machine's clock"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            for alias in node.names:
                if f"time.{alias.name}" in SYSTEM_CLOCKS:
                    yield f"line {node.lineno}: reads the machine's clock"


def tables_are_the_engines(module: Module) -> Iterator[str]:
    if module.part == "engine":
        return
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TABLE_IN_SQL.search(node.value):
            yield f"line {node.lineno}: names a table of the event store"


def short(module: Module) -> Iterator[str]:
    lines = module.text.count("\n")
    if lines > MAX_LINES and module.path not in LONG_FILES:
        yield f"has {lines} lines: find the seam"


RULES: tuple[Callable[[Module], Iterator[str]], ...] = (
    downwards,
    nouns_meet_in_services,
    below_is_unaware,
    pure,
    libraries_at_home,
    composed_from_above,
    http_stays_in_routes,
    one_clock,
    tables_are_the_engines,
    short,
)


def broken(rule: Callable[[Module], Iterator[str]], modules: Iterable[Module]) -> list[str]:
    return [f"{module.path}: {complaint}" for module in modules for complaint in rule(module)]


@pytest.fixture(scope="module")
def package() -> list[Module]:
    return parse({str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.glob("campanile/**/*.py"))})


def test_the_package_is_found(package: list[Module]) -> None:
    found = {module.path for module in package}
    assert {"campanile/clock.py", "campanile/kit/times.py", "campanile/engine/engine.py"} <= found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Callable[[Module], Iterator[str]], package: list[Module]) -> None:
    assert broken(rule, package) == []


BREACHES = [
    (downwards, "campaigns/repository.py", "from campanile.campaigns import service"),
    (downwards, "campaigns/service.py", "from campanile.campaigns.routes import router"),
    (downwards, "campaigns/service.py", "from .routes import router"),
    (downwards, "stats/tree.py", "from campanile.stats.routes import router"),
    (downwards, "campaigns/routes.py", "from campanile.campaigns.repository import CampaignRepository"),
    (downwards, "stats/routes.py", "from campanile.engine import Engine"),
    (nouns_meet_in_services, "stats/service.py", "import campanile.campaigns.repository"),
    (nouns_meet_in_services, "stats/service.py", "from campanile.intake import committer"),
    (nouns_meet_in_services, "http/auth.py", "from campanile.workspaces.repository import keys"),
    (below_is_unaware, "kit/ids.py", "from campanile.errors import NotFound"),
    (below_is_unaware, "engine/chdb.py", "from campanile.intake.event import Event"),
    (below_is_unaware, "metadata/session.py", "from campanile.campaigns.schemas import Campaign"),
    (below_is_unaware, "client/api.py", "from campanile.stats.schemas import StatsRequest"),
    (below_is_unaware, "metrics/registry.py", "from campanile.stats import tree"),
    (pure, "metrics/registry.py", "from pathlib import Path"),
    (pure, "kit/times.py", "import httpx"),
    (libraries_at_home, "stats/repository.py", "import clickhouse_connect"),
    (libraries_at_home, "intake/committer.py", "from chdb import session"),
    (libraries_at_home, "campaigns/service.py", "from sqlalchemy import select"),
    (libraries_at_home, "stats/service.py", "from litestar import Request"),
    (composed_from_above, "stats/service.py", "from campanile.app import create_app"),
    (composed_from_above, "stats/service.py", "from campanile.services import Services"),
    (http_stays_in_routes, "intake/service.py", "from campanile.http.bodies import read_body"),
    (one_clock, "intake/service.py", "import datetime\nx = datetime.datetime.now(datetime.UTC)"),
    (one_clock, "intake/service.py", "from datetime import date\nx = date.today()"),
    (one_clock, "kit/ids.py", "import time\nx = time.time()"),
    (one_clock, "kit/ids.py", "from time import time_ns"),
    (tables_are_the_engines, "stats/repository.py", "x = 'SELECT 1 FROM campanile.events'"),
    (tables_are_the_engines, "intake/service.py", "x = f'INSERT INTO events VALUES {1}'"),
    (short, "stats/service.py", "x = 1\n" * 501),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_breach_is_seen(rule: Callable[[Module], Iterator[str]], path: str, text: str) -> None:
    assert len(broken(rule, parse({f"campanile/{path}": text}))) == 1


def test_every_rule_has_a_breach() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_what_is_allowed_passes() -> None:
    files = {
        "campanile/app.py": "from campanile.stats.routes import router\nfrom campanile.engine import open_engine",
        "campanile/stats/routes.py": "import litestar\nfrom campanile.http import auth\nfrom . import service\n"
        "from campanile.services import Services",
        "campanile/stats/service.py": "from campanile.campaigns.service import CampaignService\nimport time\n"
        "from campanile.stats.repository import Numbers\nx = time.monotonic()",
        "campanile/campaigns/repository.py": "from sqlalchemy import select\nfrom campanile.metadata import models",
        "campanile/clock.py": "from datetime import UTC, datetime\nx = datetime.now(UTC)",
        "campanile/engine/chdb.py": "import chdb\nx = 'TRUNCATE TABLE campanile.events'",
    }
    assert [complaint for rule in RULES for complaint in broken(rule, parse(files))] == []
