# Keydeck's commands. `make` alone lists them.
# Needs Python 3.11 or newer and make; everything else is fetched into .venv and node_modules.

SHELL := /bin/sh
# Compiled modules are kept: every command and process starts in half the time.
export PYTHONDONTWRITEBYTECODE :=
MAKEFLAGS += --no-print-directory
PYTHON ?=
PY := .venv/bin/python
PIP := --disable-pip-version-check --no-input --progress-bar off --require-hashes

TEST_DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/test
TEST_REDIS_URL ?= redis://127.0.0.1:6379
export TEST_DATABASE_URL TEST_REDIS_URL
# More than two cores need: tests of whole products wait more than they compute.
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help up venv packages dev test lint lock bench prove

help:
	@echo "make up      install, prepare and serve Keydeck on http://localhost:$${PORT:-8000}"
	@echo "make test    the whole suite"
	@echo "make lint    ruff, mypy, templates, migrations"
	@echo "make lock    compile the lock files again"
	@echo "make bench   measure, as ratios side by side"
	@echo "make prove   the long proofs: kills under load, mutations, volumes"

up:
	@echo "Starting Keydeck"
	@$(MAKE) packages
	@exec $(PY) manage.py up

# Says in one line, before anything else fails on it, that a folder can't be written.
define writable
test -w $(1) || { echo "keydeck: $(abspath $(1)) can't be written: clone into a folder of yours, or mend its rights" >&2; exit 1; }
endef

# The interpreter: PYTHON if given, else the newest found. One line when there is none.
venv:
	@if $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then exit 0; fi; \
	for python in $(if $(PYTHON),"$(PYTHON)",python3.14 python3.13 python3.12 python3.11 python3 python); do \
	  command -v "$$python" >/dev/null 2>&1 || continue; \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
	  seen="$$seen $$python is $$("$$python" -c 'import platform; print(platform.python_version())' 2>&1 | tail -n 1)."; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "keydeck: needs Python 3.11 or newer.$${seen:- None found.} Install one, or name it: make up PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	$(call writable,.); \
	echo "Creating .venv with $$("$$found" --version)"; \
	"$$found" -m venv --clear .venv >.venv.log 2>&1 || { \
	  echo "keydeck: cannot create .venv with $$found: $$(grep -m 1 -i -E 'apt|error|denied|not ' .venv.log || tail -n 1 .venv.log)" >&2; \
	  rm -f .venv.log; exit 1; }; \
	rm -f .venv.log

LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# Installs a lock file unless the stamp says that this very one is installed.
define install
	@stamp=.venv/.installed-$(1); sum="$$(cksum <$(1))"; \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$sum" ]; then \
	  $(call writable,.venv); \
	  total=$$(grep -c == $(1)); \
	  echo "Installing $$total packages into .venv ($(1); about a minute the first time)"; \
	  $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null || exit 1; \
	  { $(PY) -m pip install $(PIP) -r $(1) 2>.venv/pip.log || echo FAILED; } | \
	  awk -v total=$$total '/^(Collecting|Requirement already)/ && !(++n % 20) { print "  " n " of " total; fflush() } \
	    /^Installing collected/ { print "  unpacking"; fflush() } /^FAILED/ { exit 1 }' || { \
	    grep -h -E '^ERROR' .venv/pip.log | head -n 3 >&2; \
	    echo "keydeck: cannot install $(1); pip's words are in .venv/pip.log" >&2; exit 1; }; \
	  echo "$$sum" >$$stamp; \
	fi
endef

packages: venv
	$(call install,requirements.txt)
	@stamp=node_modules/.installed; sum="$$(cksum <package-lock.json)"; \
	if [ "$$(cat $$stamp 2>/dev/null)" != "$$sum" ]; then \
	  if [ -e node_modules ]; then $(call writable,node_modules); else $(call writable,.); fi; \
	  echo "Fetching the front-end packages into node_modules"; \
	  ci="ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error"; \
	  { command -v npm >/dev/null 2>&1 && npm $$ci >/dev/null; } || { \
	    echo "Installing Node.js into .venv, for npm"; \
	    $(PY) -m pip install --quiet $(PIP) -r requirements-node.txt && \
	    PATH="$(CURDIR)/.venv/bin:$$PATH" npm $$ci >/dev/null; } || { \
	    echo "keydeck: cannot fetch the front-end packages; see npm's message above" >&2; exit 1; }; \
	  echo "$$sum" >$$stamp; \
	fi

dev: packages
	$(call install,requirements-dev.txt)

# What is there is used (tests/engines.py); CI=true requires all of it. The last line is pytest's.
test: dev
	@$(PY) -m tests.engines
	@exec $(PY) -m pytest -q -n $(WORKERS) -p tests.beside

lint: dev
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m djlint --lint --quiet templates
	@$(PY) manage.py makemigrations --check --dry-run

lock: dev
	@$(LOCK) pyproject.toml -o requirements.txt
	@$(LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	@$(LOCK) --group node -o requirements-node.txt
	@npm install --package-lock-only --ignore-scripts --no-audit --no-fund

bench: dev
	@exec $(PY) -m pytest -q -s -n 0 -m bench tests

# The canary sweep has no longer form: it runs here as in the suite, and prints.
prove: dev
	@$(PY) -m pytest -q -s -n 0 -m prove tests
	@exec $(PY) -m pytest -q -s -n 0 tests/e2e/test_canaries.py
