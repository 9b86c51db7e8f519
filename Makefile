# One entry for everything. `make demo` and `make test` need only python3 (3.11 to 3.14, with venv), git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
STAMP := $(VENV)/.installed
WEB := src/reelwright/web/static/dist/.built

# A service starts several processes, and the tests start many services: what Python has compiled is kept.
unexport PYTHONDONTWRITEBYTECODE
# As pip and git, uv trusts what the machine trusts: a company's proxy has a certificate of its own.
export UV_SYSTEM_CERTS ?= 1

.PHONY: demo test check bench peers spark docs screens shape lock install clean
install: $(STAMP) $(WEB)

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' \
	  || { echo "Python 3.11 to 3.14 is needed; found $$($(PYTHON) -V). Set PYTHON=/path/to/python3.14"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is missing: sudo apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(STAMP): $(BIN)/uv requirements/dev.lock pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(WEB): $(STAMP) frontend/package-lock.json $(shell find frontend -path frontend/node_modules -prune -o -type f -print 2>/dev/null)
	$(BIN)/python frontend/build.py
	@touch $@

lock: $(BIN)/uv
	for group in base dev docs node peers spark; do \
	  case $$group in base) from=pyproject.toml;; dev) from="--extra all --group dev pyproject.toml";; \
	    peers) from="--extra all --extra spark --group dev --group peers pyproject.toml";; docs) from="--group docs pyproject.toml";; node) from="--group node";; spark) from="--group spark";; esac; \
	  $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	    $$from -o requirements/$$group.lock; \
	done

demo: install
	@$(BIN)/reelwright demo --data .demo --port $(PORT) $(if $(LIBRARY),--library $(LIBRARY))

test: install
	$(BIN)/python -m pytest --numprocesses 2

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd frontend && ../$(BIN)/python build.py --check

screens: install
	$(BIN)/python -m tests.browser.screens screens $(if $(ONLY),--only '$(ONLY)') $(if $(SIZE),--size $(SIZE))

bench: install
	$(BIN)/reelwright bench $(SYSTEM)

peers: install
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/peers.lock

spark: install
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/spark.lock

docs: install
	$(BIN)/python -m reelwright.app.reference docs/reference
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/docs.lock
	$(BIN)/zensical build --config-file mkdocs.yml

clean:
	rm -rf $(VENV) frontend/node_modules src/reelwright/web/static/dist .demo
