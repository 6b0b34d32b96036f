# Each target does all of its own set-up on a machine that has Python >= 3.11, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench nox servers clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	$(PYTHON) scripts/make_venv.py $(VENV)
	@touch $@

$(VENV)/.benchmarks: $(VENV)/.installed
	$(PYTHON) scripts/make_venv.py $(VENV) bench
	@touch $@

demo: $(VENV)/.installed  ## run the main job: a shop, its telemetry and the ledger
	$(BIN)/sluiceway demo $(ARGS)

test: $(VENV)/.installed servers  ## run the whole test suite, real servers included
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	$(BIN)/python -m coverage report

servers:  ## fetch the real servers that the tests start (Debian only)
	$(PYTHON) scripts/fetch_servers.py $(VENV)/servers

lint: $(VENV)/.installed  ## style, types and layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

bench: $(VENV)/.benchmarks  ## run the benchmarks in their short form
	$(BIN)/python -m benchmarks --short $(ARGS)

nox: $(VENV)/.installed  ## run the suite on every Python that is here
	$(BIN)/nox

clean:  ## remove what make built
	rm -rf $(VENV) .nox build dist
