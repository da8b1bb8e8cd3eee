"""Files that pages load: complete, small, unchangeable under their name."""

from __future__ import annotations

import gzip
import re
import tomllib
from pathlib import Path

import brotli
import pytest

from campanile.dashboard.assets import OURS, PACKAGES, VENDOR, Assets
from campanile.errors import NotFound

ROOT = Path(__file__).parent.parent.parent
PAGE_BYTES = 200_000
"""What a page may load, compressed."""


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets()


def test_everything_is_installed(assets: Assets) -> None:
    assert assets.missing == []
    assert {"app.css", "js/app.js", *VENDOR} <= set(assets.names)


def test_all_files_together_are_less_than_a_page_may_load(assets: Assets) -> None:
    sizes = {name: len(assets.coded(name, "gzip")) for name in assets.names}
    assert sum(sizes.values()) < PAGE_BYTES, sizes


def test_codings(assets: Assets) -> None:
    plain = assets.get(assets.version, "app.css", "")
    small = assets.get(assets.version, "app.css", "gzip, deflate")
    smaller = assets.get(assets.version, "app.css", "gzip, deflate, br")
    refused = assets.get(assets.version, "app.css", "br;q=0, gzip")
    assert [found.coding for found in (plain, small, smaller, refused)] == ["", "gzip", "br", "gzip"]
    assert gzip.decompress(small.content) == brotli.decompress(smaller.content) == plain.content
    assert len(smaller.content) < len(small.content) < len(plain.content)
    assert plain.media_type == "text/css"


def test_another_version_or_name_is_not_there(assets: Assets) -> None:
    for version, name in ((assets.version[::-1], "app.css"), (assets.version, "../assets.py"), (assets.version, "")):
        with pytest.raises(NotFound):
            assets.get(version, name, "")


def test_missing_packages_are_named(tmp_path: Path) -> None:
    bare = Assets(tmp_path)
    assert bare.missing == sorted(VENDOR.values())
    assert bare.has("app.css")
    assert not bare.has("vendor/htmx.js")
    assert bare.version != Assets(PACKAGES).version


def test_scripts_import_files_that_are_there() -> None:
    for script in OURS.rglob("*.js"):
        for target in re.findall(r"""from\s+["'](\.[^"']+)["']""", script.read_text()):
            assert (script.parent / target).is_file(), f"{script.name}: {target}"


def test_wheels_carry_the_packages_with_their_licences() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["artifacts"]
    folder = PACKAGES.relative_to(ROOT)
    licences = {f"{file.split('/')[0]}/LICENSE" for file in VENDOR.values()}
    assert sorted(carried) == sorted(str(folder / file) for file in {*VENDOR.values(), *licences})
    assert [file for file in carried if not (ROOT / file).is_file()] == []
