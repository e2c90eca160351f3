# make demo          segment the bundled example smears into demo-results/
# make test          style, types and tests
# make test-browser  the service's page in a real Chromium, which is installed where it is missing (Debian, as root)
# make clean         remove what these have made
#
# All work in one virtual environment, .venv, made from $(PYTHON) and kept up to date.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DEMO := demo-results

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-browser clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: $(VENV)/installed-package
	@ls cascade/examples/*.png >/dev/null || { echo "expected example images in cascade/examples, found none" >&2; exit 1; }
	rm -rf $(DEMO)
	$(BIN)/cs3 segment cascade/examples --out $(DEMO)
	@echo "The results are in $(CURDIR)/$(DEMO): an overlay an image, sperm.csv, annotations.coco.json, run.json."

test: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

test-browser: $(VENV)/installed-for-browser
	sh tests-browser/install-chromium.sh
	$(BIN)/python -m pytest --timeout 900 tests-browser

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The package is installed as a user would have it for the demo, and in place with the developers' tools for the
# tests; each way replaces the other, hence takes its stamp away.
$(VENV)/installed-package: $(VENV)/created pyproject.toml $(wildcard README.md) $(shell find cascade service -type f -not -name '*.pyc')
	@echo "Installing CS3 into $(VENV); the first time takes minutes, PyTorch is large."
	@rm -f $(VENV)/installed-for-tests $(VENV)/installed-for-browser
	$(PIP) .
	@touch $@

$(VENV)/installed-for-tests: $(VENV)/created pyproject.toml
	@echo "Installing CS3 and its development tools into $(VENV); the first time takes minutes, PyTorch is large."
	@rm -f $(VENV)/installed-package
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/installed-for-browser: $(VENV)/installed-for-tests
	$(PIP) --editable '.[dev,browser]'
	@touch $@

$(VENV)/created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "expected Python 3.11 or later as '$(PYTHON)', found none; install it, or name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "expected Python 3.11 or later, found $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "expected Python's venv module, found none in $(PYTHON); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@
