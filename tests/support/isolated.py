"""Programs of others in environments of their own, so that their dependencies stay out of ours."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / "build" / "isolated"


def isolated_environment(requirements: Path) -> Path:
    """The folder with the programs of an environment, installed once per content of the requirements.

    Every package has its hash there: `uv pip compile --generate-hashes` writes them.
    """
    folder = CACHE / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([*_installer(folder), "--no-deps", "--require-hashes", "-r", str(requirements)], check=True)
        (folder / ".complete").touch()
    return folder / "bin"


def _installer(folder: Path) -> list[str]:
    """uv where there is one, because it takes seconds; `make setup` has put it there."""
    uv = shutil.which("uv", path=f"{ROOT / 'build' / 'tools' / 'bin'}") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    return [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
