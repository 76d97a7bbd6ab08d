# SPDX-License-Identifier: Apache-2.0
# The only entry for people, pre-commit and CI. `make help` lists the targets.

PYTHON  ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV    ?= .venv
BIN     := $(VENV)/bin
# Test models are tiny: a second thread would only wait for the first.
PYTEST  := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest
LOCK    := constraints.txt
RUN_DEPS := $(VENV)/.run-deps
DEV_DEPS := $(VENV)/.dev-deps

# matplotlib keeps its list of fonts in the home directory unless it is told another place.
export MPLCONFIGDIR := $(CURDIR)/build/matplotlib

.DEFAULT_GOAL := help
.PHONY: help demo base attack bench bench-gguf setup setup-demo town-tools engines release check lint unit test integration fix docs hooks clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: setup-demo  ## Sessions of a sample town become a model that answers, and works while it is good
	@$(BIN)/python examples/demo.py

base: setup-demo  ## Train the sample town's tiny base model and its tokenizer again
	@$(BIN)/python examples/train_base.py

check: lint unit  ## Format, lint, types, layers, unit and architecture tests

lint: setup  ## Format, lint, types and layers only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: setup  ## Unit and architecture tests
	$(PYTEST) -n auto --maxprocesses 4

test: unit integration  ## All tests: unit, architecture, and integration with real parts and oracles

# Two files at once: many of these tests wait for others. Sockets lie below, and their paths must be short.
integration: setup
	@place=$$(mktemp -d /tmp/n0.XXXX) && { $(PYTEST) -n 2 --dist loadfile --basetemp=$$place -m integration \
		tests/integration tests/gastown; code=$$?; rm -rf $$place; exit $$code; }

bench: setup  ## Measure training, decoding, a cluster and the swarm, scrubbing and what it costs, and large corpora
	$(BIN)/python bench/train_vs_trl.py
	$(BIN)/python bench/four_bit.py
	$(BIN)/python bench/generate_vs_transformers.py
	$(BIN)/python bench/serve.py
	PYTHONPATH=examples $(BIN)/python bench/long_prompt.py
	$(BIN)/python bench/scrub.py
	$(BIN)/python bench/corpus.py
	PYTHONPATH=examples $(BIN)/python bench/surrogates.py
	$(BIN)/python bench/registry.py
	$(BIN)/python bench/rag.py
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/templates.py
	$(BIN)/python bench/hop.py
	$(BIN)/python bench/cluster.py
	$(BIN)/python bench/swarm_vs_local.py
	$(BIN)/python bench/swarm_answers.py
	$(BIN)/python bench/swarm_vs_hivemind_moe.py
	$(BIN)/python bench/wan.py

attack: setup  ## Attack every reader, the server and the disk and print what fell (SEED=1 MINUTES=10)
	PYTHONPATH=src:examples OMP_NUM_THREADS=1 $(BIN)/python -m attack --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

bench-gguf: setup  ## Measure every GGUF format with llama.cpp (`make engines` first)
	PYTHONPATH=examples $(BIN)/python bench/gguf_formats.py

release: setup  ## Build wheel and sdist at a tag, and check that they work elsewhere; nothing is uploaded
	$(BIN)/python tools/release.py $(RELEASE)

fix: setup  ## Format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: setup  ## Write what docs generate: file tree, index of decisions, references
	$(BIN)/python tools/file_tree.py
	$(BIN)/python tools/adr_index.py
	$(BIN)/python tools/cli_reference.py
	$(BIN)/python tools/schema_ddl.py

town-tools:  ## Install Claude Code, opencode, pi and Dolt into .town-tools for the tests that drive them
	@$(PYTHON) tools/town_tools.py

engines:  ## Install llama.cpp (and vLLM with ENGINES=vllm) into .engines for the tests that ask them
	@$(PYTHON) tools/engines.py llama-cpp $(ENGINES)

hooks: setup  ## Run `make lint` before each commit and `make check` before each push
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

setup: $(DEV_DEPS)  ## Create .venv with everything needed to develop and test

setup-demo: $(RUN_DEPS)  ## Create .venv with what training and answering need

clean:  ## Remove what was built: .venv, caches, the demo's town
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests bench examples tools -name __pycache__ -type d -prune -exec rm -rf {} +

# A venv that holds torch already, such as its CPU build, keeps it: the pin accepts any local version.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, not " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(RUN_DEPS): pyproject.toml $(LOCK) | $(VENV)/bin/python
	@start=$$(date +%s); \
	$(BIN)/python -m pip install -q -c $(LOCK) --upgrade pip && \
	$(BIN)/python -m pip install -q -c $(LOCK) -e '.[finetune]' && \
	echo "installed in $$(( $$(date +%s) - start )) s" && touch $@

$(DEV_DEPS): $(RUN_DEPS)
	@start=$$(date +%s); \
	$(BIN)/python -m pip install -q -c $(LOCK) -e '.[finetune,gguf,nf4,serve,swarm,tensorboard,wandb,mlflow,oracles]' --group dev && \
	$(BIN)/python -m pip check && \
	$(BIN)/python tests/integration/make_transformers4.py && \
	echo "installed in $$(( $$(date +%s) - start )) s" && touch $@
