# `make demo` and `make test` need nothing but Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2

.PHONY: install install-dev demo demo-3d test test-slow lint format clean

install: .venv/.installed            ## tutelage in .venv: .venv/bin/tutelage
install-dev: .venv/.installed-dev    ## the same, with what tests and linters need

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tutelage needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorboard]'
	@touch $@

.venv/.installed-dev: .venv/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: install                        ## supervised, Mean Teacher and FixMatch on real digits, minutes on two cores
	$(BIN)/tutelage demo

demo-3d: .venv/.installed-medical    ## supervised and Mean Teacher on made-up scans, minutes on two cores, with pictures
	$(BIN)/tutelage demo-3d

.venv/.installed-medical: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[medical]'
	@touch $@

test: install-dev                    ## the tests that run on every change
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

test-slow: install-dev               ## all tests, those that take minutes too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'slow or not slow'

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:                               ## forget the environment
	rm -rf .venv
