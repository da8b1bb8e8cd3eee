# Everything a developer does with Campanile. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check docs bench bench-smoke screenshots clean

# Servers start twice as fast from compiled modules.
unexport PYTHONDONTWRITEBYTECODE
# uv takes the Python that is there; it must not fetch one.
export UV_PYTHON_DOWNLOADS := never
TOOLS := build/tools
UV := $(if $(shell uv --version 2>/dev/null),uv,$(TOOLS)/bin/uv)
UV_FILE := $(filter-out uv,$(UV))
ENVIRONMENT := .venv/.synced
NODE_MODULES := tests/node_modules/.package-lock.json
DASHBOARD := src/campanile/dashboard
ASSETS := $(DASHBOARD)/node_modules/.package-lock.json
BIN := .venv/bin

# Arguments for the command behind a target: make demo ARGS="--port 9000"
ARGS ?=
# Test processes side by side; each has servers of its own.
WORKERS ?= 3
PYTEST := $(BIN)/pytest -p no:schemathesis -n $(WORKERS) --dist loadfile --no-loadscope-reorder

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(ENVIRONMENT) $(ASSETS) ## Sample workspace and events on the embedded engine, both main APIs, then a server
	$(BIN)/campanile demo $(ARGS)

serve: $(ENVIRONMENT) $(ASSETS) ## The server on ./data
	$(BIN)/campanile serve $(ARGS)

setup: $(ENVIRONMENT) $(NODE_MODULES) $(ASSETS) ## Install what the tests need and this machine lacks (Python and npm packages, PostgreSQL, Redis, NATS, Chromium)
	@tools/install-servers.sh

test: setup ## All tests, with real ClickHouse nodes, PostgreSQL, Redis and NATS
	$(PYTEST) $(ARGS)

check: setup ## Lint, types and the fast tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST) -m "not slow" --hypothesis-profile=quick $(ARGS)

docs: $(ENVIRONMENT) ## The documentation as a site in build/site; broken links end it
	$(BIN)/mkdocs build $(ARGS)

bench: setup ## Measure against bare counterparts, record it in docs/benchmarks.md; ARGS=--all takes an hour
	$(BIN)/python -m bench --write $(ARGS)

bench-smoke: setup ## The same at small sizes, to see that it runs; part of the tests
	$(BIN)/python -m bench --smoke $(ARGS)

screenshots: setup ## Pictures of every page in build/screenshots, and the one of the README
	$(PYTEST) tests/browser/test_pages.py -k screenshots -n 1 $(ARGS)
	$(BIN)/python tools/readme_picture.py

clean: ## Remove everything that `make setup` put into this folder
	rm -rf .venv build tests/node_modules $(DASHBOARD)/node_modules .mypy_cache .ruff_cache .hypothesis

# The pinned Python is the one we develop on; any other that the package supports will do.
$(ENVIRONMENT): uv.lock pyproject.toml $(UV_FILE)
	@if ! $(UV) python find --quiet "$$(cat .python-version)" >/dev/null 2>&1; then export UV_PYTHON='>=3.11'; fi; \
		set -x; $(UV) sync --quiet --frozen --extra server --extra brokers
	@touch $@

$(NODE_MODULES): tests/package.json tests/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 1; }
	npm ci --prefix tests --no-audit --no-fund --loglevel=error
	@touch $@

# Without them the server runs, and the pages say what is missing.
$(ASSETS): $(DASHBOARD)/package.json $(DASHBOARD)/package-lock.json
	@if command -v npm >/dev/null; then \
		set -x; npm ci --prefix $(DASHBOARD) --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@; \
	else echo "npm is missing, so the dashboard has no charts: install Node.js 20 or newer, then run make again" >&2; fi

$(TOOLS)/bin/uv:
	tools/install-uv.sh $(TOOLS)
