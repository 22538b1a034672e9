# Everything runs from .venv, which is made here with nothing but python3, its venv module, pip and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
ARGS ?=
FAULT_SECONDS ?= 60
FUZZ_SECONDS ?= 600
CYCLONEDX := 7.5.0

.DEFAULT_GOAL := help
.PHONY: help demo test check faults cluster fuzz bench bench-projection up lock sbom clean

help:
	@echo "make demo    the permit log, appended and read back on a real Kafka and Postgres"
	@echo "make test    all tests (ARGS='-k name' for some)"
	@echo "make check   lint, formatting, types, imports"
	@echo "make faults  the fault tests for FAULT_SECONDS each (60), everything checked after each round"
	@echo "make cluster 3 brokers, 3 Postgres servers, and all that serves on them, killed, frozen and cut off in turn"
	@echo "make fuzz    broken input for every parser, for FUZZ_SECONDS in all (600)"
	@echo "make bench   the append benchmark"
	@echo "make bench-projection    the projection benchmark"
	@echo "make up      Kafka, Postgres and a projector in the foreground, until Ctrl-C"
	@echo "make sbom    a bill of materials of all dependencies, dist/sbom.cdx.json"
	@echo "make lock    renew requirements.lock from pyproject.toml"
	@echo "make clean   remove .venv, the data in .aion and all caches"

demo: $(READY)
	$(BIN)/python examples/permits/demo.py $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports

faults: $(READY)
	AION_FAULT_SECONDS=$(FAULT_SECONDS) $(BIN)/python -m pytest -s tests/faults $(ARGS)

cluster: $(READY)
	$(BIN)/python -m tests.cluster.story $(ARGS)

fuzz: $(READY)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest tests/fuzz $(ARGS)

bench: $(READY)
	$(BIN)/python benchmarks/append.py $(ARGS)

bench-projection: $(READY)
	$(BIN)/python benchmarks/projection.py $(ARGS)

up: $(READY)
	$(BIN)/aion-store up $(ARGS)

sbom: $(READY)
	@mkdir -p dist
	$(BIN)/uv tool run --from cyclonedx-bom==$(CYCLONEDX) cyclonedx-py requirements --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file dist/sbom.cdx.json requirements.lock

lock: $(READY)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --group dev --group bench \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--output-file requirements.lock pyproject.toml

clean:
	@if [ -e .aion/stack.lock ] && command -v flock > /dev/null && ! flock --nonblock .aion/stack.lock true; then \
		echo "The servers of .aion are running: stop the process that holds them (see .aion/stack.lock) first." >&2; \
		exit 1; \
	fi
	rm -rf .venv .aion .pytest_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "aion-store needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Install a newer one and name it: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) has no venv module. Install it (on Debian and Ubuntu the package python3-venv)." >&2; exit 1; }
	rm -f $(READY)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)
