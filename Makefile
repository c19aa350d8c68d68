# Locktender. `make help` lists what there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 3
IMAGE  ?= locktender
LAB    ?= /var/tmp/locktender-lab-$(shell id -u)
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Whoever has set it: the tests load the same modules again and again, and compile them once.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help install demo image test test-containers check bench campaign compare format lock clean services site

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed ## Install into .venv (gives .venv/bin/locktender)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --require-hashes -r requirements.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@$(BIN)/python -m compileall -q operations action bot cli
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/pip install -q --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.installed ## The main job as a story, on an embedded PostgreSQL
	@$(BIN)/locktender demo

image: ## The container image (needs Docker), and what fills it into docs/image.md
	docker build -t $(IMAGE) .
	@$(PYTHON) docs/image.py $(IMAGE)

services: ## PostgreSQL, pgbouncer, sshd, npm, jq, Chromium, ip and iptables for the tests, by apt where they are missing
	@tests/install-services.sh

test: $(VENV)/.installed-dev services ## What every change must pass
	$(BIN)/pytest -n $(JOBS) --dist worksteal -q -m "not campaign and not prisma and not containers"

test-containers: $(VENV)/.installed-dev services ## The image and the example project in a real Docker, which it brings up itself (needs root)
	@tests/containers/lab.sh up $(LAB)
	@status=0; LOCKTENDER_LAB=$(LAB) $(BIN)/pytest -n 2 --dist loadfile -q -m containers tests/containers || status=$$?; \
		tests/containers/lab.sh down $(LAB); exit $$status

campaign: $(VENV)/.installed-dev services ## The long tests; LOCKTENDER_CAMPAIGN scales the counts (1 = in full)
	$(BIN)/pytest -n 2 --dist worksteal -q -m campaign

compare: $(VENV)/.installed-dev services ## Side by side with the real Prisma command line (needs Node and npm)
	$(BIN)/pytest -n 2 -q -m prisma

check: $(VENV)/.installed-dev ## Types, style, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev services ## Measure, and write docs/benchmarks.md; BENCH=--quick only tries it
	$(BIN)/python -m benchmarks $(BENCH)

site: $(VENV)/.installed-dev ## The documents as a site, into site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev ## Put the code into the project's style
	$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

lock: ## Pin the requirements anew, with hashes (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements.txt requirements.in
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements.txt --group dev -o requirements-dev.txt

clean: ## Remove what was installed and cached
	rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
