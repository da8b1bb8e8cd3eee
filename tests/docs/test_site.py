"""The documentation builds as a site: links lead somewhere, pages are listed, nothing comes from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "use": "href"}
"""Elements that fetch what their attribute names. Those of `link` depend on what they link to."""
LINKS_THAT_FETCH_NOTHING = frozenset({"canonical", "next", "prev", "alternate"})
FETCHED_BY_STYLES = re.compile(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')]+)""")


class Fetched(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") not in LINKS_THAT_FETCH_NOTHING:
            self.addresses.append(given.get("href") or "")
        elif tag in LOADED:
            self.addresses.append(given.get(LOADED[tag]) or "")


def fetched(page: str) -> list[str]:
    parser = Fetched()
    parser.feed(page)
    return [*parser.addresses, *FETCHED_BY_STYLES.findall(page)]


def build(folder: Path, source: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--site-dir", str(folder)]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> Iterator[Path]:
    return (page for page in site.rglob("*.html") if page.name != "404.html")


def test_every_page_is_there(site: Path) -> None:
    written = list((ROOT / "docs").rglob("*.md"))
    assert len(list(pages(site))) == len(written) > 30
    home = (site / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'<a href="([^"#]+)" class="md-nav__link"', home))
    assert {"quick-start/", "concepts/", "security/", "architecture/", "reference/metrics/"} <= linked
    assert {page.parent.relative_to(site).as_posix() + "/" for page in pages(site)} - {"./"} <= linked


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    foreign = {
        (str(page.relative_to(site)), address)
        for page in pages(site)
        for address in fetched(page.read_text(encoding="utf-8"))
        if urlsplit(address).netloc
    }
    assert foreign == set()
    styles = [path for path in site.rglob("*") if path.suffix in (".css", ".svg")]
    assert styles
    assert [(path.name, FETCHED_BY_STYLES.findall(path.read_text(encoding="utf-8"))) for path in styles] == [
        (path.name, []) for path in styles
    ]
    # The theme would fetch a program for diagrams where a page has one.
    assert not any('class="mermaid"' in page.read_text(encoding="utf-8") for page in pages(site))


def test_what_comes_from_elsewhere_would_be_seen() -> None:
    page = """<link rel="canonical" href="https://a.example/"><link rel="stylesheet" href="//b.example/x.css">
        <script src="https://c.example/x.js"></script><style>@import "https://d.example/x.css"; p { background:
        url(https://e.example/x.png) }</style><a href="https://f.example">f</a>"""
    assert [urlsplit(address).netloc for address in fetched(page)] == [
        "b.example", "c.example", "d.example", "e.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[gone](nowhere.md)", "nowhere.md"),
        ("[gone](stats.md#no-such-heading)", "no-such-heading"),
    ],
)
def test_broken_links_end_the_build(tmp_path: Path, text: str, complaint: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(ROOT / "mkdocs.yml", source)
    shutil.copytree(ROOT / "tools", source / "tools")
    shutil.copytree(ROOT / "docs", source / "docs")
    with (source / "docs" / "events.md").open("a", encoding="utf-8") as page:
        page.write(text)
    done = build(tmp_path / "site", source)
    assert done.returncode != 0
    assert complaint in done.stdout + done.stderr
