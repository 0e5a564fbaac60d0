# Needs Python >= 3.10 with venv and pip; make installs everything else into $(VENV).
#   make test PYTHON=python3.12 VENV=/tmp/venv
#   make pytest ARGS="tests/env -k seed"
#   make test CONSTRAINTS=                  (the newest releases instead of the tested ones)

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
CONSTRAINTS ?= constraints.txt

BIN := $(VENV)/bin
# A stamp file records that a step is up to date with the files it depends on.
USER_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
INSTALL_FILES := pyproject.toml scripts/install_torch.py $(CONSTRAINTS)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install quickstart test lint docs pytest restricted format clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' Makefile

install: $(USER_STAMP)  ## Install the package with its agents into $(VENV)

quickstart: install  ## Install, then train small models to correct themselves
	$(BIN)/selfcorrect quickstart $(ARGS)

test: lint docs pytest  ## Install with the development tools, then run every check and every test

lint: $(DEV_STAMP)  ## Run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(DEV_STAMP)  ## Build the documentation into site/ and check its links; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	$(BIN)/python scripts/check_site.py site

pytest: $(DEV_STAMP)  ## Run the tests and the doctests; ARGS="tests/env -x" selects some of them
	$(BIN)/python -m pytest $(ARGS)

restricted: $(DEV_STAMP)  ## Run the sandbox's tests as on hosts that refuse namespaces, pidfd or privileges
	for host in --no-namespaces --no-pidfd --nobody "--nobody --no-namespaces"; do \
	  echo "== $$host"; \
	  $(BIN)/python tests/env/sandbox/restricted.py $$host $(BIN)/python -m pytest -q \
	    -p no:cacheprovider -m "not restricted_host" tests/env/sandbox \
	    tests/env/verifiers/code $(ARGS) || exit 1; \
	done

format: $(DEV_STAMP)  ## Format the code and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Delete the virtual environment that make created and all generated files
	@if [ -e $(USER_STAMP) ] || [ -e $(DEV_STAMP) ]; then rm -rf $(VENV); fi
	rm -rf build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find selfcorrect_env agents tests scripts benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "'$(PYTHON)' is not Python >= 3.10. Set PYTHON, for example: make ... PYTHON=python3.12" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

$(USER_STAMP): $(INSTALL_FILES) | $(BIN)/pip
	$(BIN)/python scripts/install_torch.py
	$(BIN)/python -m pip install $(CONSTRAINTS:%=-c %) -e ".[agents]"
	@touch $@

$(DEV_STAMP): $(INSTALL_FILES) | $(BIN)/pip
	$(BIN)/python scripts/install_torch.py
	$(BIN)/python -m pip install $(CONSTRAINTS:%=-c %) -e ".[dev]"
	@touch $@ $(USER_STAMP)
