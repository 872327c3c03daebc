# One command a wish; each sets up what it needs from a bare checkout and may be run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the product needs; beside it what checking its text needs; beside that what running its tests needs.
APP := $(VENV)/.installed
LINT := $(VENV)/.installed-for-lint
DEV := $(VENV)/.installed-for-tests
# The rooms that Splunk loads, tested on the interpreters Splunk ships.
RUNTIME_TESTS := tests/test_imports.py tests/config tests/schema tests/graph tests/normalize tests/ingest tests/sinks/test_modular_input.py

.PHONY: demo dev test lint build splunk-app bench py39 py313 test-server fuzz clean

$(APP): setup.cfg pyproject.toml
	@echo 'make: installing Entrawatch and what it needs into $(VENV): a minute or two, once'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

$(LINT): $(APP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(DEV): $(LINT) tests/install_system_packages.sh tests/install_engines.sh $(wildcard packaging/splunk/*.txt)
	tests/install_system_packages.sh
	tests/install_engines.sh $(BIN)/python
	packaging/splunk/install.sh $(BIN)/python
	touch $@

demo: $(APP)  ## emulated tenant → HTTPS → normalise → store → hunt
	$(BIN)/entrawatch demo

dev: $(DEV)  ## what the tests need, and nothing run: then .venv/bin/python -m pytest tests/…

test: $(DEV)  ## every test, then the runtime rooms on Splunk's interpreters
	$(BIN)/python -m pytest -n auto --dist loadgroup
	$(MAKE) py39 py313

lint: $(LINT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check connector tests benchmarks packaging
	$(BIN)/mypy
	$(BIN)/entrawatch build --check

build: $(APP)  ## content/ from the catalogue, and the wheel in dist/
	$(BIN)/entrawatch build
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

splunk-app: $(APP)  ## the Splunk app, in dist/
	packaging/splunk/install.sh $(BIN)/python
	$(BIN)/python packaging/splunk/build.py

bench: $(DEV)
	$(BIN)/python -m benchmarks

py39 py313: $(DEV)
	tests/on_python.sh $@ $(RUNTIME_TESTS)

test-server: $(DEV)  ## the Elasticsearch sink against a real server
	$(BIN)/python -m pytest -m server tests/server

fuzz: $(DEV)  ## long property and fault runs; FUZZ_SEEDS=40 takes forty synthetic companies
	$(BIN)/python -m pytest -m slow -n auto --dist loadgroup

clean:
	rm -rf $(VENV) .cache build dist demo-out connector/*.egg-info
