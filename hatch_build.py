"""Puts the dashboard's packages from npm into wheels; run by hatchling."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardPackages(BuildHookInterface[Any]):
    """Installs what `package-lock.json` names. The files that wheels carry are listed in `pyproject.toml`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """
        Raises:
            RuntimeError: npm is missing or fails.
        """
        if version == "editable":  # a working copy installs them with `make`
            return
        folder = Path(self.root) / "src" / "campanile" / "dashboard"
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("npm is missing: install Node.js 20 or newer to build Campanile from its sources")
        command = [
            npm,
            "ci",
            "--prefix",
            str(folder),
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]
        try:
            subprocess.run(command, check=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"npm ci failed with status {error.returncode}") from error
