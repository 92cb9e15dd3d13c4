# `make demo` and `make test` need nothing but Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
# `make install CONSTRAINTS=constraints.txt` installs the exact versions that CI uses.
CONSTRAINTS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

.PHONY: install install-dev demo demo-3d test test-long test-slow test-lowest lint format docs build clean

install: .venv/.installed            ## tutelage in .venv: .venv/bin/tutelage
install-dev: .venv/.installed-dev    ## the same, with what tests and linters need

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tutelage needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(PIP) --editable '.[tensorboard,pretrained,web,heic,export,explain]'
	@touch $@

.venv/.installed-dev: .venv/.installed pyproject.toml
	$(PIP) --editable '.[dev]'
	@touch $@

demo: install                        ## trainings with few labels on photos and digits, minutes on two cores
	$(BIN)/tutelage demo

demo-3d: .venv/.installed-medical    ## supervised and Mean Teacher on synthetic scans, minutes on two cores, with pictures
	$(BIN)/tutelage demo-3d

.venv/.installed-medical: .venv/.installed
	$(PIP) --editable '.[medical]'
	@touch $@

# A file's tests stay in one process, which shares what they train. Bytecode is kept: most start-up time is compiling.
test: install-dev                    ## the tests that run on every change
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-long: install-dev               ## the tests that take seconds each: whole commands, processes, real networks
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'long and not slow'

test-slow: install-dev               ## all tests, those that take minutes too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'slow or not slow'

# Direct dependencies at the lowest versions that pyproject.toml allows, in an environment of its own. Old packages
# warn about newer ones that they import, so warnings are not errors here.
LOWEST := .venv-lowest/bin

test-lowest: .venv-lowest/.installed ## the tests with the oldest dependencies that are allowed
	OMP_NUM_THREADS=1 $(LOWEST)/python -m pytest -n $(JOBS) -W default

.venv-lowest/.installed: pyproject.toml
	$(PYTHON) -m venv --clear .venv-lowest
	$(LOWEST)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/uv pip install --quiet --python $(LOWEST)/python --resolution lowest-direct --editable '.[dev]'
	@touch $@

docs: .venv/.installed-docs          ## the site, in site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/.installed-docs: .venv/.installed pyproject.toml
	$(PIP) --editable '.[docs]'
	@touch $@

build: install                       ## wheel and sdist, in dist/
	$(PIP) build
	rm -rf dist
	$(BIN)/python -m build --outdir dist

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:                               ## delete the environments and what was built
	rm -rf .venv .venv-lowest site dist build
