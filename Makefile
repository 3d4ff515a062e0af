.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SILENT:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
JOBS := $(shell nproc 2>/dev/null || echo 2)

.PHONY: help setup setup-runtime demo test check bench docs soak lock audit clean

help: ## this list
	echo "deskwire:"
	sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

setup: .venv/.dev ## everything to develop with, in .venv
setup-runtime: .venv/.runtime ## only what deskwire needs to run

demo: .venv/.runtime ## the main job on real input; Ctrl-C stops it
	exec $(BIN)/deskwire demo

test: .venv/.dev ## every test
	$(BIN)/pytest -q -n $(JOBS)

check: .venv/.dev ## what CI runs: format, lint, types, import rules, tests
	$(BIN)/ruff format --check --quiet || { echo "Run: $(BIN)/ruff format" >&2; exit 1; }
	$(BIN)/ruff check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q -n $(JOBS) --cov --cov-report=term

bench: .venv/.dev ## measured figures
	$(BIN)/python -m bench

docs: .venv/.dev ## write the reference that is made of the code
	$(BIN)/python -m deskwire.reports > docs/reference/reports.md

soak: .venv/.dev ## hours: long properties and faults, then mutation tests
	DESKWIRE_SOAK=1 $(BIN)/pytest -q -n $(JOBS) -m "soak or not soak" --timeout 3600
	$(BIN)/mutmut run
	$(BIN)/mutmut results

audit: .venv/.dev ## known vulnerabilities of what is pinned
	$(BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements/dev.txt

# uv, because pip-compile pins for the Python it runs on only: libcst needs pyyaml-ft on 3.13 alone.
LOCK := $(BIN)/python -c 'import tomllib as t; \
	print(*t.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	| $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -

lock: .venv/.dev ## pin again, after a change of dependencies; UPGRADE=1 takes the newest
	$(LOCK) --extra dev --output-file requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt --output-file requirements/runtime.txt
	! grep -nE '://|^-|@ ' requirements/dev.txt requirements/runtime.txt \
	|| { echo "A requirements file names a place; see above." >&2; exit 1; }

clean: ## remove .venv and what the tools left behind
	rm -rf .venv build dist mutants .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: a set is installed again when its requirements or our own metadata changed.
.venv/.dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	echo "Installing requirements/dev.txt into .venv …"
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	touch .venv/.runtime $@

# `dev` contains `runtime`: the touch above keeps this from running after it.
.venv/.runtime: requirements/runtime.txt pyproject.toml | .venv/bin/python
	echo "Installing requirements/runtime.txt into .venv …"
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	touch $@

.venv/bin/python:
	command -v $(PYTHON) >/dev/null \
	|| { echo "There is no $(PYTHON). Install Python 3.11 or newer." >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "deskwire needs Python 3.11 or newer; this is $$($(PYTHON) --version)." \
		"Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing $$package …"; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $$package >/dev/null; \
		else \
			echo "This Python cannot make a venv. Run: sudo apt-get install $$package" >&2; exit 1; \
		fi; }
	$(PYTHON) -m venv .venv
