# Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

LOWEST := .venv-lowest
# What runs on the lowest versions: each dependency is used by one of these.
LOWEST_TESTS := tests/loaders tests/chains tests/models tests/evaluation tests/stores/test_standard.py \
  tests/cli/test_ask.py tests/server/test_remote.py tests/server/test_limits.py tests/server/test_faults.py \
  tests/test_borrowed_names.py tests/test_borrowed_names_missing.py

.DEFAULT_GOAL := help
.PHONY: help demo test check check-lowest lint types dependencies format docs constraints browser bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# uv takes seconds where pip takes minutes; pip stands in where uv does not get through, since pip knows mirrors and
# proxies from a configuration of its own. The versions are those that the tests ran with. Compiled, as pip does it: the
# command starts in two seconds instead of five, also where Python may not write beside the modules later.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1' uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV) --constraint constraints.txt --editable '.[all]' --group dev || \
	  $(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	@touch $@

demo: $(INSTALLED) ## Answer a question from docs/, on the embedded default
	@mkdir -p .cache
	@$(BIN)/milvus-rag ask "How do I re-index after a file changed?" --docs docs --uri .cache/demo.db

test: $(INSTALLED) browser ## Run the tests
	$(BIN)/pytest

browser: ## Install Chromium for the browser tests (Debian and its relatives)
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && sudo= || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium; }

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# mypy sees the package under its import name, which pyproject.toml maps onto src/.
types: $(INSTALLED)
	@mkdir -p .cache/typing && ln -sfn ../../src .cache/typing/milvus_rag
	MYPYPATH=.cache/typing:tests $(BIN)/mypy -p milvus_rag
	MYPYPATH=.cache/typing:tests:benchmarks $(BIN)/mypy --explicit-package-bases examples benchmarks docs

dependencies: $(INSTALLED)
	$(BIN)/pip check

format: $(INSTALLED) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Coverage is measured of the tests as everybody runs them, and of the processes that they start. Those on the lowest
# versions run beside them, since one test at a time leaves most of a machine idle; what they print comes after.
check: export PYTEST_ADDOPTS := --cov --cov-report=term
check: lint types dependencies ## All that CI runs
	@mkdir -p .cache
	@$(MAKE) check-lowest >.cache/lowest.log 2>&1 & lowest=$$!; trap 'kill $$lowest' INT TERM; \
	  $(MAKE) test; tested=$$?; \
	  if wait $$lowest; then tail -n 1 .cache/lowest.log; else cat .cache/lowest.log; exit 1; fi; exit $$tested

check-lowest: $(INSTALLED) ## Run the main tests on the lowest versions that pyproject.toml allows
	@mkdir -p .cache && rm -f .cache/lowest.txt
	$(BIN)/uv pip compile --quiet --all-extras --resolution lowest-direct --python $(BIN)/python \
	  --output-file .cache/lowest.txt pyproject.toml
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(LOWEST) --requirement .cache/lowest.txt --no-deps --editable .
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(LOWEST) --constraint .cache/lowest.txt --group lowest
	PYTEST_ADDOPTS= $(LOWEST)/bin/pytest -o filterwarnings= -m "not browser and not server" $(LOWEST_TESTS)

docs: $(INSTALLED) ## Write the generated pages and the outputs shown in the docs anew
	$(BIN)/python docs/generate_cli.py
	$(BIN)/pytest tests/test_documentation.py tests/examples/test_notebook.py --update-docs

constraints: $(INSTALLED) ## Write constraints.txt anew: newest versions for everything
	$(BIN)/uv pip compile --quiet --universal --all-extras --group dev --upgrade --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints.txt pyproject.toml

bench: $(INSTALLED) ## Measure all of benchmarks/: a table, results.json and a chart
	$(BIN)/python benchmarks/run.py

clean: ## Remove what the targets made
	rm -rf $(VENV) $(LOWEST) .cache build dist src/*.egg-info *.egg-info
