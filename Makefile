# One command a wish; each sets up what it needs from a bare checkout and may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The rooms that Splunk loads, tested on the interpreters Splunk ships.
RUNTIME_TESTS := tests/test_imports.py tests/config tests/schema tests/graph tests/normalize tests/ingest tests/sinks/test_modular_input.py

.PHONY: demo test lint build bench py39 py313 test-server fuzz clean

$(STAMP): setup.cfg pyproject.toml tests/install_engines.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	tests/install_engines.sh $(BIN)/python
	touch $@

demo: $(STAMP)  ## emulated tenant → HTTPS → normalise → store → summary
	$(BIN)/entrawatch demo

test: $(STAMP)  ## every test, then the runtime rooms on Splunk's interpreters
	tests/install_system_packages.sh
	$(BIN)/python -m pytest -n auto --dist loadgroup
	$(MAKE) py39 py313

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check connector tests benchmarks
	$(BIN)/mypy

build: $(STAMP)  ## wheel and source archive in dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

py39 py313: $(STAMP)
	tests/on_python.sh $@ $(RUNTIME_TESTS)

test-server: $(STAMP)  ## the Elasticsearch sink against a real server
	$(BIN)/python -m pytest -m server tests/server

fuzz: $(STAMP)  ## long property and fault runs
	$(BIN)/python -m pytest -m slow -n auto

clean:
	rm -rf $(VENV) .cache build dist demo-out connector/*.egg-info
