# `make` alone lists the targets. Another Python than the one found: make PYTHON=python3.12 ...
PYTHON ?=
BIN := .venv/bin
# One more than there are cores: tests of a whole deployment mostly wait.
TESTERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

.DEFAULT_GOAL := help
.PHONY: chaos chaos-quick chaos-mutants interleavings screenshots help venv demo topology bench scale economy faults refusals fuzz test lint constraints

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## make .venv with everything that development needs, or repair it
	@scripts/venv.sh $(PYTHON)

demo: venv ## onboard simulated communities of all platforms and open Dagster; ARGS="..." for options
	@exec $(BIN)/crowd-pipelines demo $(ARGS)

topology: venv ## run docker-compose.yml's services as processes; ARGS="--once" to end after an onboarding
	@exec $(BIN)/python -m crowd_pipelines_tests.deployment.topology $(ARGS)

bench: venv ## measure onboardings of growing size, some minutes; ARGS="--sizes 5000" for one
	@exec $(BIN)/python -m crowd_pipelines.benchmarks $(ARGS)

scale: venv ## measure the engine without a network, and with a million streams; ARGS="--only queue" for one
	@exec $(BIN)/python -m crowd_pipelines.benchmarks.scale $(ARGS)

economy: venv ## count requests beside crowd.dev's way of reading, some minutes; ARGS="--size small" for less
	@exec $(BIN)/python -m crowd_pipelines.benchmarks.economy $(ARGS)

faults: venv ## strike every platform with every fault, about an hour; ARGS="-k slack" for some of it
	@mkdir -p .crowd && rm -f .crowd/faults.jsonl
	@$(BIN)/python -m pytest crowd_pipelines_tests/faults --all-faults --fault-report .crowd/faults.jsonl \
		--numprocesses auto $(ARGS); ended=$$?; \
		$(BIN)/python -m crowd_pipelines_tests.faults .crowd/faults.jsonl; exit $$ended

refusals: venv ## refuse every kind of stream in every way that nobody named, hours; ARGS="-k slack" for some of it
	@mkdir -p .crowd && rm -f .crowd/refusals.jsonl
	@$(BIN)/python -m pytest crowd_pipelines_tests/refusals --all-refusals --refusal-report .crowd/refusals.jsonl \
		--numprocesses auto --dist load $(ARGS); ended=$$?; \
		$(BIN)/python -m crowd_pipelines_tests.refusals .crowd/refusals.jsonl; exit $$ended

test: venv ## run the tests; ARGS="-k name" for some of them
	@exec $(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile $(ARGS)

fuzz: venv ## thousands of poisoned answers per parser, and long lives of communities, hours; ARGS="-k slack" for less
	@exec $(BIN)/python -m pytest --hypothesis-profile=fuzz --numprocesses auto --dist load \
		crowd_pipelines_tests/integrations/test_poison.py crowd_pipelines_tests/integrations/test_order.py \
		crowd_pipelines_tests/test_parsers.py crowd_pipelines_tests/http/test_waits.py \
		crowd_pipelines_tests/http/test_redaction.py crowd_pipelines_tests/model/test_text.py $(ARGS)

chaos: venv ## kill, freeze and end workers and all of Dagster in every way, over an hour; ARGS="--kills 100 --report FILE"
	@exec $(BIN)/python -m crowd_pipelines_tests.chaos $(ARGS)

chaos-quick: venv ## a small part of it, within two minutes
	@exec $(BIN)/python -m crowd_pipelines_tests.chaos --quick $(ARGS)

interleavings: venv ## erase people and remove places at every moment of a page and of an onboarding, about 10 minutes
	@EVERY_INTERLEAVING=1 $(BIN)/python -m pytest -q crowd_pipelines_tests/store/test_erasure_race.py \
		crowd_pipelines_tests/framework/test_removals.py crowd_pipelines_tests/integrations/test_erasure.py $(ARGS)

chaos-mutants: venv ## take the guards away, one at a time, and see chaos-quick find it, about 10 minutes
	@exec $(BIN)/python -m crowd_pipelines_tests.chaos.mutants $(ARGS)

lint: venv ## check style, formatting, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

constraints: ## pin the newest versions that pyproject.toml allows, all of them, into constraints.txt
	@exec scripts/constraints.sh $(PYTHON)

screenshots: venv ## take the pictures of docs/images anew from a running demo; needs a local Chromium
	@exec $(BIN)/python scripts/screenshots.py $(ARGS)
