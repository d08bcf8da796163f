# Two commands for everyone:
#   make try    the main job: a deployment for an Apple M3 and five people, written to ./try
#   make test   every test this machine can run
# The rest is for contributors; see CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: try test dev lint types unit packaging live vllm index docs golden accuracy bench fleet clean

try: $(VENV)/.try-stamp
	@rm -rf try
	$(BIN)/infra-gen new try --hardware apple-m3 --users 5
	@echo
	@echo "Look at try/README.md first, then at try/launchd/ and try/monitoring/."
	@echo "Another one: $(BIN)/infra-gen new gpu --hardware 2x4090 --users 40 --model qwen3-32b"

# What `make try` needs: the package alone.
$(VENV)/.try-stamp: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Installing infra-gen and its dependencies into $(VENV) (from your package index) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# What tests need: test and lint tools as well.
$(STAMP): $(VENV)/.try-stamp tests/requirements.txt
	@echo "Installing test tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@

dev: $(STAMP)

test: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tests/run_all.py

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy
	MYPYPATH=generator:. $(BIN)/mypy --explicit-package-bases generator/tools tests/live

unit: $(STAMP)
	$(BIN)/pytest -q -n 2

packaging: $(STAMP)
	$(BIN)/pytest -q -m packaging tests/packaging

live: $(STAMP)
	tests/live/setup/provision
	tests/live/run

vllm: $(STAMP)
	tests/live/setup/provision vllm-parser
	$(BIN)/pytest -q -m vllm_parser tests/live

index: $(STAMP)
	$(BIN)/python generator/tools/build_index.py

docs: index
	$(BIN)/python generator/tools/rule_docs.py
	$(BIN)/python generator/tools/docs.py

golden: index
	$(BIN)/pytest -q tests/golden --update-golden

accuracy: $(STAMP)
	$(BIN)/python tests/benchmarks/accuracy --write
	$(BIN)/python generator/tools/docs.py

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/startup.py

fleet: $(STAMP)
	$(BIN)/python tests/benchmarks/fleet --write
	$(BIN)/python generator/tools/docs.py

clean:
	rm -rf $(VENV) try dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
