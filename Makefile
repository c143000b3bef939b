# `make run` and `make test` are all you need; `make help` lists the rest.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
JOBS ?= 2
EXAMPLES ?= 200

# A name on the PATH is not yet an interpreter: version managers leave names that fail.
CANDIDATES := python3.13 python3.12 python3.11 python3
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c '$(SUITABLE)' 2>/dev/null && echo $(name))))

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links

.DELETE_ON_ERROR:
.PHONY: help install run test check static bench fuzz lock openapi format clean

help:  ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install: $(INSTALLED)  ## makes .venv from the lock files; instant when nothing changed

run: install  ## serves API, docs and worker on an embedded PostgreSQL
	@exec $(BIN)/rapport serve

test: static  ## everything: lint, types, architecture, all tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal

check: static  ## the quick loop: all but the slow tests
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow"

static: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## measures Rapport beside a floor of raw asyncpg, in one run
	$(BIN)/python -m benchmarks

fuzz: install  ## hostile input, EXAMPLES of it for each operation
	RAPPORT_FUZZ=$(EXAMPLES) $(BIN)/pytest tests/contract/test_fuzz.py

lock: install  ## resolves the dependencies of pyproject.toml anew
	$(COMPILE) --upgrade --output-file requirements.lock
	$(COMPILE) --upgrade --extra local --group dev --output-file requirements-dev.lock --constraint requirements.lock

openapi: install  ## writes openapi.yaml from the code
	$(BIN)/rapport openapi --write openapi.yaml

format: install  ## formats the code and mends what can be mended by itself
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

clean:  ## removes .venv and caches; the data in .rapport stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Rapport needs Python 3.11 or newer (with venv) on the PATH." >&2; exit 1; }
	@$(BIN)/python -c '$(SUITABLE)' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
