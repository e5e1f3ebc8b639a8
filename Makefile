# `make` alone lists the targets. Another Python than the one found: make PYTHON=python3.12 ...
PYTHON ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: screenshots help venv demo topology bench economy test lint constraints

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## make .venv with everything that development needs, or repair it
	@scripts/venv.sh $(PYTHON)

demo: venv ## onboard simulated communities of all platforms and open Dagster; ARGS="..." for options
	@exec $(BIN)/crowd-pipelines demo $(ARGS)

topology: venv ## run docker-compose.yml's services as processes; ARGS="--once" to end after an onboarding
	@exec $(BIN)/python -m crowd_pipelines_tests.deployment.topology $(ARGS)

bench: venv ## measure onboardings of growing size, some minutes; ARGS="--sizes 5000" for one
	@exec $(BIN)/python -m crowd_pipelines.benchmarks $(ARGS)

economy: venv ## count requests beside crowd.dev's way of reading, some minutes; ARGS="--size small" for less
	@exec $(BIN)/python -m crowd_pipelines.benchmarks.economy $(ARGS)

test: venv ## run the tests; ARGS="-k name" for some of them
	@exec $(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ARGS)

lint: venv ## check style, formatting, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

constraints: ## pin the newest versions that pyproject.toml allows, all of them, into constraints.txt
	@exec scripts/constraints.sh $(PYTHON)

screenshots: venv ## take the pictures of docs/images anew from a running demo; needs a local Chromium
	@exec $(BIN)/python scripts/screenshots.py $(ARGS)
