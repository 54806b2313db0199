# Targets that people and .ci/run share. Everything is installed into .venv with the versions of constraints.txt.
# Another interpreter: make test PYTHON=python3.12      (only looked at while .venv does not exist)

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?=
PYTEST_ARGS ?=

# Without a cluster, a killed process or a browser, and under 5 s each; `test-rest` runs exactly the others.
REST := cluster or faults or browser or slow
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test test-rest test-all check format docs bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo      install, run the quickstart recipe to its table"
	@echo "make test      the tests that need nothing but Python"
	@echo "make check     linters, types, generated pages"
	@echo "make test-all  all tests, with worker processes and killed processes"
	@echo "make docs | bench | format | lock | clean      see CONTRIBUTING.md"

# A command may exist and not work (a shim of a version manager, a Python without venv): each is tried before it is used.
$(BIN)/python:
	@set -e; for python in $(if $(PYTHON),"$(PYTHON)",python3.13 python3.12 python3.11 python3); do \
	  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; then \
	    echo "$(VENV): $$("$$python" --version) ($$python)"; \
	    exec "$$python" -m venv --clear "$(VENV)"; \
	  fi; \
	done; \
	echo "no working Python 3.11, 3.12 or 3.13 with the venv module was found$(if $(PYTHON), as $(PYTHON));" >&2; \
	echo "install one (on Debian also its python3-venv package), or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/.installed-run: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV): a minute or two"
	@$(PIP) install -qq -c constraints.txt -e '.[cpu]'
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV): a minute or two"
	@$(PIP) install -qq -c constraints.txt -e '.[standard,hep,tensorflow,dev]'
	@touch $@ $(VENV)/.installed-run

demo: $(VENV)/.installed-run
	@set -e; rapidml="$$(cd $(BIN) && pwd)/rapidml"; scratch="$$(mktemp -d "$${TMPDIR:-/tmp}/rapidml-demo.XXXXXX")"; cd "$$scratch"; \
	echo "\$$ rapidml run --example quickstart"; env -u RAPIDML_STORE "$$rapidml" run --example quickstart; \
	echo; echo "to look around:  cd $$scratch  and  $$rapidml ls"

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "not ($(REST))" -n auto --dist loadfile $(PYTEST_ARGS)

# pytest's exit code 5 means that no test carries these markers.
test-rest: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "$(REST)" $(PYTEST_ARGS) || test $$? -eq 5

test-all: test test-rest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/make_reference.py --check

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_reference.py

bench: $(VENV)/.installed-dev
	@set -e; for script in bench/bench_*.py bench/rapid.py bench/search.py bench/networks.py bench/staleness.py; do \
	  if test -e "$$script"; then echo "== $$script"; $(BIN)/python "$$script"; fi; \
	done

# One lock for every Python and platform we support. The names of index servers and paths of this machine stay out of it.
lock: $(BIN)/python
	$(PIP) install -qq uv
	@set -e; out="$$(mktemp)"; \
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra standard --extra hep --extra tensorflow --extra dev --upgrade \
	  --no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file "$$out" pyproject.toml > /dev/null; \
	if grep -nE '://|^-|/' "$$out"; then echo "the lines above name a server or a path" >&2; exit 1; fi; \
	{ echo "# Versions that rapidml is tested with, for Python 3.11 to 3.13: pip install -c constraints.txt ..."; \
	  echo "# Written by \`make lock\` from pyproject.toml (extras standard, hep, tensorflow and dev; cpu and gpu exclude each other)."; \
	  cat "$$out"; } > constraints.txt; rm "$$out"

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
