# The README's two commands are `make report` and `make test`. Each sets up what it needs: a virtual environment in
# .venv with the hashed requirements.lock and this project in editable mode; uv does it when it is there, pip when not.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
# Where virtual environments have their programs.
ifeq ($(OS),Windows_NT)
PROGRAMS := Scripts
else
PROGRAMS := bin
endif
BIN := .venv/$(PROGRAMS)
LEAST := .venv-least
LOCKED := .venv/locked
READY := .venv/ready
# One numeric thread for each process: the batch runs one process for each core.
export OMP_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1
# A virtual environment of the caller's must not catch the installation.
unexport VIRTUAL_ENV
BIOME := npx --yes @biomejs/biome@2.3.8

.PHONY: help setup report test test-all test-least test-r check docs lab lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/'

setup: $(READY)  ## virtual environment, locked packages, editable install

$(READY): $(LOCKED) pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@

$(LOCKED): requirements.lock
	@rm -f $@
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "metanet needs Python 3.11 or newer; this is $$($(PYTHON) -V). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Setting up .venv from requirements.lock (once; a few minutes at most)"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --seed --clear --python "$$(command -v $(PYTHON))" .venv && \
	  uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock ; \
	else \
	  $(PYTHON) -m venv --clear .venv && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock ; \
	fi
	@touch $@

report: $(READY)  ## pool every outcome in every modality class; reports/index.html lists the reports
	@$(BIN)/metanet report

test: $(READY)  ## the tests that take a few minutes together
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --quick

test-all: $(READY)  ## all tests: also browsers, R, every figure, simulations
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# Compiled, because warnings are errors in tests, and some packages warn when they are compiled.
test-least:  ## the tests with the lowest versions that are allowed, with few optional packages (needs uv)
	@uv venv --quiet --clear --python "$$(command -v $(PYTHON))" $(LEAST)
	@uv pip install --quiet --python $(LEAST)/$(PROGRAMS)/python --compile-bytecode --resolution lowest-direct -e '.[test,formats]'
	@$(LEAST)/$(PROGRAMS)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --quick

test-r: $(READY)  ## the numbers beside those of R, with metafor and lme4
	@Rscript -e 'stopifnot(requireNamespace("metafor"), requireNamespace("lme4"))'
	@$(BIN)/python -m pytest -n auto --dist loadfile tests/models/r tests/reference tests/reporting/test_r_check.py tests/reporting/test_second_opinion.py

check: $(READY)  ## lint, format, types, import contracts, style sheets and script
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if npm_config_fetch_retries=0 $(BIOME) --version >/dev/null 2>&1; then \
	  $(BIOME) lint --error-on-warnings metanet ; \
	else \
	  echo "Style sheets and script not linted: Biome needs Node.js and, the first time, a network" ; \
	fi

docs: $(READY)  ## the documentation site, in docs/_build/html
	@$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

lab: $(READY)  ## JupyterLab on a starter notebook
	@$(BIN)/metanet lab

lock:  ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra forestplot --extra lab --extra cluster --extra formats --extra docs --extra test --extra lint --extra build --generate-hashes --universal --python-version 3.11 --no-header --upgrade --quiet -o requirements.lock

clean:  ## remove the virtual environment, caches and reports
	rm -rf .venv $(LEAST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis docs/_build docs/jupyter_execute
	find reports -mindepth 1 ! -name README.md -delete
