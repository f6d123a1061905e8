# `make help` lists what there is. Needs python3 (3.11 to 3.14, with venv or uv) and make; everything else is made
# below this checkout and in the user cache.

PYTHON ?= python3
PROVIDER ?= lab
SEED ?=
ARGS ?=

# tox passes its own interpreter as PY=...; without it the checkout's .venv is made first.
PY := .venv/bin/python
BIN = $(dir $(PY))
READY := $(if $(filter file,$(origin PY)),venv)
# The image of kind's nodes, where none was chosen: asked for by name in seconds, pulled or built the first time.
NODE_IMAGE = $(if $(RINGPROOF_NODE_IMAGE),,$(BIN)ringproof images ensure)

ROOMS := clusters images scenarios reports fixtures ringproof suites tests bootstrap.py

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help venv run test test-kind test-kind-bad-days bench bench-kind sweep clean lint types layers unit lab lab-smoke controls judge mutants format lock kind-host kind-host-undo images

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do \
	  printf '  make %-10s %s\n' "$$name" "$$what"; done

venv: ## .venv as requirements.lock says; nothing to do when it is there
	@command -v $(PYTHON) >/dev/null || { echo "ringproof: $(PYTHON) is not installed; Python 3.11 to 3.14 is needed" >&2; exit 1; }
	@$(PYTHON) bootstrap.py

run: $(READY) ## the `change` profile and its verdict (PROVIDER=lab SEED=7 ARGS='--keep')
	$(if $(filter kind,$(PROVIDER)),$(NODE_IMAGE))
	$(BIN)ringproof run change --provider $(PROVIDER) $(if $(SEED),--seed $(SEED)) $(ARGS)

test: lint types layers unit lab-smoke ## lint, types, layers, unit tests and a short lab run

bench: $(READY) ## formation, reschedule, overhead, planning and judging, measured
	$(PY) -m ringproof.bench $(ARGS)

bench-kind: $(READY) ## real clusters, their ring, memory, reschedule and teardown, measured (2 minutes for each repeat)
	$(NODE_IMAGE)
	$(PY) -m ringproof.bench --provider kind $(ARGS)

sweep: $(READY) ## find and undo what a killed run left
	$(BIN)ringproof sweep $(ARGS)

clean: ## remove what make made; runs/ is evidence and stays
	rm -rf .venv .tox build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis __pycache__
	find $(ROOMS) -name __pycache__ -type d -prune -exec rm -rf {} +

lint: $(READY) ## ruff: rules and format
	$(PY) -m ruff check --quiet
	$(PY) -m ruff format --check --quiet || { $(PY) -m ruff format --diff --quiet; exit 1; }

types: $(READY) ## mypy, strict
	$(PY) -m mypy

layers: $(READY) ## who may import whom
	@echo $(BIN)lint-imports
	@told=$$($(BIN)lint-imports 2>&1) || { echo "$$told"; exit 1; }

unit: $(READY) ## tests of the harness itself
	$(PY) -m pytest tests -n auto -q -m "not slow and not kind"

test-kind: $(READY) ## two real kind clusters and their ring: made, asked, cut, healed, taken down, nothing left
	$(NODE_IMAGE)
	$(PY) -m pytest tests/test_kind_live.py tests/test_network_ops.py -m kind -q $(ARGS)

test-kind-bad-days: $(READY) ## real clusters killed, interrupted and broken at any step; the engine restarted under them
	$(NODE_IMAGE)
	$(PY) -m pytest tests/test_kind_bad_days.py -m kind -q $(ARGS)

lab lab-smoke: $(READY) ## the short lab run alone
	$(PY) -m pytest suites -m smoke -p no:cacheprovider $(ARGS)

controls: $(READY) ## sabotaged runs, each of which must be found, and their honest twins (about 8 minutes)
	$(PY) -m pytest suites/selftest -p no:cacheprovider $(ARGS)

images: $(READY) ## the kind provider's images, pulled or built once (ARGS='--kubernetes 1.33')
	$(BIN)ringproof images ensure $(ARGS)

kind-host: $(READY) ## as root on Debian: install and start a container engine (ENGINE=docker or podman)
	$(PY) -m images.host.prepare $(or $(ENGINE),docker)

kind-host-undo: $(READY) ## take back exactly what kind-host changed
	$(PY) -m images.host.prepare undo

judge: $(READY) ## judge a bundle again (ARGS=runs/<id>)
	$(BIN)ringproof judge $(ARGS)

mutants: $(READY) ## mutation score of the checkers into docs/mutants.md (ARGS='--sample 0' for all; about 20 minutes)
	@$(PY) -c "import cosmic_ray" 2>/dev/null || $(PY) -m pip install --quiet "cosmic-ray>=8.7,<9"
	$(PY) -m tests.mutants --write $(ARGS)

format: $(READY) ## rewrite the sources as `make lint` wants them
	$(PY) -m ruff check --fix --quiet
	$(PY) -m ruff format --quiet

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra kind --generate-hashes --upgrade \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' pyproject.toml -o requirements.lock
