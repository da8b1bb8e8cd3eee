#!/usr/bin/env bash
# Install uv into the folder $1, away from the system's Python packages.
set -euo pipefail
folder=$1
version=0.13.9

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Python 3.11 or newer is missing" >&2
  exit 1
fi

# Debian keeps the part of Python that fills a new environment in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq </dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv </dev/null
fi

if "$python" -c 'import ensurepip' 2>/dev/null; then
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version"
elif "$python" -m pip --version >/dev/null 2>&1; then
  "$python" -m pip install --quiet --disable-pip-version-check --target "$folder" "uv==$version"
else
  echo "uv is missing and cannot be installed here: install uv, pip or python3-venv" >&2
  exit 1
fi
