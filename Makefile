PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo ui test test-long check benchmark clean
.DEFAULT_GOAL := demo

demo: .venv/.ready  ## run everything once, against the built-in sandbox
	$(BIN)/timix-assets demo

ui: .venv/.ready  ## open the Dagster UI on http://127.0.0.1:3000
	$(BIN)/timix-assets ui

test: .venv/.dev  ## the test suite, but for the long ones
	$(BIN)/pytest -n 2 --dist loadfile -m "not long"

test-long: .venv/.dev  ## the long ones: every fault through the command; a real Dagster, killed and started again; large firms
	$(BIN)/pytest -n 2 --dist loadfile -m long --timeout 600 timix_assets_tests/reliability
	$(BIN)/pytest -m long --timeout 600 --ignore timix_assets_tests/reliability

check: .venv/.dev  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: .venv/.dev  ## the figures in benchmarks/README.md
	$(BIN)/python -m benchmarks

clean:  ## remove the environment; the lake and the runs stay
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "timix_assets needs Python 3.11 or later; say which with PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.ready: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
