# Each target makes .venv on first use and needs nothing done before it but Python 3.11 or later.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
LOCK   := deploy/requirements.lock
# The Python of the image that the lock file is for.
IMAGE_PYTHON := 3.12

.PHONY: demo test lint docs bench lock clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sandbox,dev]'
	$(BIN)/python -m compileall -q $(VENV)/lib || true
	touch $@

# FAULT="tls-silent slow" breaks these parts; ARGS="--format json" goes to the probe.
demo: $(STAMP)
	@$(BIN)/probe demo $(foreach fault,$(FAULT),--fault $(fault)) $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python tests/run.py

# Writes the generated tables of README.md anew.
docs: $(STAMP)
	$(BIN)/python -m tests.documentation

bench: $(STAMP)
	$(BIN)/python tests/bench.py

# What the image installs, with hashes. Pins stay as they are while pyproject.toml allows them; UPGRADE=1 renews all.
lock: $(STAMP)
	$(BIN)/uv pip compile pyproject.toml --quiet --generate-hashes --universal --python-version $(IMAGE_PYTHON) \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock (for Python $(IMAGE_PYTHON))' \
	    --output-file $(LOCK) $(if $(UPGRADE),--upgrade)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*
