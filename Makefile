# Tokiflow: make run · make test · make lint · make bench · make lock · make help
#
# Everything happens in .venv, which is made from the hashed locks and renewed only when a lock changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# Where the newest Python that fits is; `make PYTHON=/path/to/python run` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then command -v "$$python"; break; fi; done)
# Arguments for `tokiflow up`, pytest and the bench: make run ARGS="--port 9000 --demo"
ARGS ?=

.PHONY: run test lint bench lock help clean python

run: $(VENV)/.run ## Start Tokiflow here: databases, pages, worker, clock. ARGS="--port 9000 --demo"
	@exec $(BIN)/tokiflow up $(ARGS)

# Each of the many processes that the tests start would compile all of Tokiflow anew where nothing may be kept.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev ## Run all tests, with real browsers and databases. ARGS="tests/core"
	@$(BIN)/python -m tests.chromium
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

lint: $(VENV)/.dev ## Check style, types, who imports whom, and migrations.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.migrations_check

bench: $(VENV)/.dev ## Measure pings, growth, and what chaos loses. ARGS="pings --seconds 3", "clock", "growth", "chaos"
	$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.dev ## Write the locks anew from pyproject.toml.
	$(BIN)/uv pip compile pyproject.toml --extra embedded --extra intake --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet -o requirements-dev.lock

help: ## Show this.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

clean: ## Remove the environment and all caches.
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# --- the environment ----------------------------------------------------------------------------------------

# What is needed to run; the tests' environment holds it too, so either stamp will do.
$(VENV)/.run: requirements.lock pyproject.toml
	@if [ -e $(VENV)/.dev ] && [ $(VENV)/.dev -nt requirements.lock ] && [ $(VENV)/.dev -nt pyproject.toml ]; then :; \
	else $(MAKE) --no-print-directory install LOCK=requirements.lock; fi
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@$(MAKE) --no-print-directory install LOCK=requirements-dev.lock
	@touch $@

.PHONY: install
install: $(BIN)/python
	@echo "Installing the packages of $(LOCK) (first time, or it changed)…"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .

$(BIN)/python: | python
	@echo "Making an environment in $(VENV) with $$($(PYTHON) --version)…"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python's venv module did not work. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Tokiflow needs Python 3.11 or newer, and none was found on the PATH; install one, or name it:" >&2; \
		echo "  make run PYTHON=/path/to/python3.12" >&2; exit 1; fi
