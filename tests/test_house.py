"""Housekeeping that nobody remembers: what must be in the repository, and what must not."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
HOME_OF_PACKAGES = {"pypi.org", "files.pythonhosted.org", "registry.npmjs.org"}
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:home|root|Users|work)/[\w.-]+")
PRIVATE_HOST = re.compile(
    r"\b(?:10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(?:1[6-9]|2\d|3[01])\.\d+\.\d+|[\w-]+\.(?:internal|local|corp|lan))"
    r"(?=[:/\s\"'`)]|$)"
)
SECRET = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b")
MAX_FILE_BYTES = 2 * 1024 * 1024
"""Larger files do not belong into a source repository."""
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def tracked() -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def texts(*suffixes: str) -> dict[str, str]:
    """The text files among the tracked ones, this test left out: it must name what it forbids."""
    found = {}
    for path in tracked():
        if path == Path(__file__) or (suffixes and path.suffix not in suffixes):
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found[str(path.relative_to(ROOT))] = content.decode()
    return found


NAMES_PRIVATE_HOSTS = frozenset({"tests/net/test_addresses.py"})
"""Tests of what is refused because it is private: they must name it."""


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PRIVATE_HOST, SECRET], ids=["path", "host", "secret"])
def test_no_file_names_a_machine_or_a_secret(pattern: re.Pattern[str]) -> None:
    hits = [f"{name}: {hit.group()}" for name, text in texts().items() for hit in pattern.finditer(text)]
    allowed = NAMES_PRIVATE_HOSTS if pattern is PRIVATE_HOST else frozenset[str]()
    assert [hit for hit in hits if hit.partition(":")[0] not in allowed] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MACHINE_PATH, "see /home/ada/notes"),
        (MACHINE_PATH, "'/root/data'"),
        (PRIVATE_HOST, "http://10.1.2.3:80/"),
        (PRIVATE_HOST, "pypi.build.internal/simple"),
        (SECRET, "AKIA" + "A" * 16),
    ],
)
def test_the_patterns_see_what_they_should(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)
    assert not pattern.search("127.0.0.1 /var/lib/campanile ./data example.com/home/index.html https://a.example/work")


def test_no_large_files() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > MAX_FILE_BYTES] == []


def test_the_python_lock_names_public_registries_only() -> None:
    hosts = {urlsplit(url).hostname for url in re.findall(r'https?://[^"\s]+', (ROOT / "uv.lock").read_text())}
    assert hosts <= HOME_OF_PACKAGES


def test_npm_locks_name_public_registries_only_and_check_what_they_get() -> None:
    locks = [path for path in tracked() if path.name == "package-lock.json"]
    assert locks
    for path in locks:
        packages = json.loads(path.read_text())["packages"]
        fetched = {name: package for name, package in packages.items() if name and not package.get("link")}
        hosts = {urlsplit(package["resolved"]).hostname for package in fetched.values() if "resolved" in package}
        assert hosts <= HOME_OF_PACKAGES
        assert [name for name, package in fetched.items() if "integrity" not in package] == []


def test_npm_packages_are_pinned() -> None:
    for path in tracked():
        if path.name == "package.json":
            manifest = json.loads(path.read_text())
            versions = {**manifest.get("dependencies", {}), **manifest.get("devDependencies", {})}
            assert [f"{name} {text}" for name, text in versions.items() if not re.match(r"\d", text)] == []


def test_test_folders_are_packages() -> None:
    """So that two test files may have the same name, and tests may import `tests.support`."""
    folders = {path.parent for path in tracked() if path.suffix == ".py" and ROOT / "tests" in path.parents}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").is_file()) == []


def test_the_version_is_said_once_more_and_equal() -> None:
    from campanile import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_the_changelog_has_a_place_for_the_next_line() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert headings
    assert headings[0].strip("[]") == "Unreleased"


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    assert pages
    numbers = [page[:4] for page in pages]
    assert all(number.isdigit() for number in numbers)
    assert len(set(numbers)) == len(numbers)
    listed = set(LINK.findall((folder / "README.md").read_text()))
    assert sorted(set(pages) - listed) == []


def test_decisions_that_are_cited_exist() -> None:
    folder = ROOT / "docs" / "decisions"
    known = {path.name[:4] for path in folder.glob("*.md")}
    cited = {(name, number) for name, text in texts().items() for number in re.findall(r"docs/decisions/(\d{4})", text)}
    assert sorted(f"{name}: {number}" for name, number in cited if number not in known) == []


def test_links_between_pages_lead_somewhere() -> None:
    links = [
        (name, target)
        for name, text in texts(".md").items()
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        if not urlsplit(target).scheme
    ]
    broken = [f"{name}: {target}" for name, target in links if not ((ROOT / name).parent / target).exists()]
    assert broken == []


def test_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (name, target) for name, text in texts(".md").items() for target in re.findall(r"`make ([a-z-]+)[^`]*`", text)
    }
    assert sorted(f"{name}: make {target}" for name, target in named if target not in targets) == []
