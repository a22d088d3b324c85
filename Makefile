# Two commands matter: `make demo` shows a day of deliveries, `make test` proves the house. `make help` lists the rest.
#
#   make demo [DAY=folder of a published instance] [SPEED=60] [UNTIL=done] [CITY=...] [SEED=...] [PORT=8000]
#
# What stands after `make demo` reaches the demo as environment variables; `python -m sandbox.demo --help` explains them.
# DATABASE_URL and BROKER_URL, where set, name servers to use in place of the embedded ones.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that is new enough; name another with PYTHON=...
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; exit; }; \
	done; echo python3)
PY := .venv/bin/python
say = printf '\n\033[1m── %s\033[0m\n'
announced = @$(say) "$(1)"; $(2)

# Modules are compiled once, not at every start: some machines turn that off, and a start then takes five seconds more.
unexport PYTHONDONTWRITEBYTECODE

# What a production server has to set; the secret lives for one command.
production = DEBUG=false HANDOFF_PROCESS=command PUBLIC_URL=https://handoff.example ALLOWED_HOSTS=handoff.example \
	SECRET_KEY="$$(head -c 48 /dev/urandom | base64 | tr -d '\n')"
rooms = foundation,notifications,orders,riders,deliveries,payouts,webhooks,ops,config
manage = $(PY) -m sandbox.machine run -- $(PY) manage.py

.PHONY: help demo demo-reset install test lint checks pytest faults coverage house hooks bench openapi format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/'

install:
	@$(PYTHON) sandbox/bootstrap.py

demo: install ## a day of deliveries on real parts, through the public interfaces
	@exec $(PY) -m sandbox.demo

demo-reset: install ## forget the demo's data
	@$(PY) -m sandbox.machine destroy --home .demo
	@rm -rf .demo
	@echo "The demo will begin afresh."

test: install lint checks coverage ## everything that must hold: style, types, floors, migrations, schema, tests

lint: install ## style, types and the floors
	$(call announced,style: ruff check,$(PY) -m ruff check .)
	$(call announced,format: ruff format --check,$(PY) -m ruff format --check .)
	$(call announced,types: mypy,$(PY) -m mypy)
	$(call announced,floors: import contracts,.venv/bin/lint-imports --no-logo)

checks: install ## Django's own checks, migrations, the API's schema
	$(call announced,migrations: models and migrations agree,$(manage) makemigrations --check --dry-run)
	$(call announced,deployment: manage.py check --deploy,$(production) $(manage) check --deploy --fail-level WARNING)
	$(call announced,schema: valid,$(manage) spectacular --validate --fail-on-warn --file .venv/openapi.yaml)
	$(call announced,schema: docs/openapi.yaml is up to date (if not: make openapi),diff -u docs/openapi.yaml .venv/openapi.yaml)

pytest: install ## the tests alone; ARGS="tests/orders -k refund" chooses
	@$(PY) tests/browser/install.py
	$(call announced,tests,$(PY) -m pytest -n 2 $(ARGS))

faults: install ## races and faults at their full size; the suite runs small ones
	@HANDOFF_TEST_SIZES=full $(PY) -m pytest tests/races tests/faults tests/properties $(ARGS)

coverage: install ## the whole suite, and how much of each room it runs
	@$(PY) tests/browser/install.py
	$(call announced,tests,$(PY) -m slipcover --source $(rooms) --json --out .venv/coverage.json -m pytest -n 2 $(ARGS))
	$(call announced,coverage,$(PY) -m tests.coverage_figures .venv/coverage.json)

house: install ## the figures of the structure that docs/house.md reports
	@$(PY) -m tests.structure

hooks: install ## run the quick checks before every commit (git hook by pre-commit)
	@$(PY) -m pre_commit install

bench: install ## the figures of docs/benchmarks.md (not part of the tests)
	@exec $(PY) -m tests.benchmarks

openapi: install ## write docs/openapi.yaml from the code
	@$(manage) spectacular --validate --fail-on-warn --file docs/openapi.yaml

format: install ## let ruff mend what it can
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

compile = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate
lock: install ## pin the requirements of pyproject.toml anew (UPGRADE=--upgrade for newer versions)
	@export UV_SYSTEM_CERTS=true; \
	$(compile) $(UPGRADE) pyproject.toml --output-file requirements.txt; \
	$(compile) $(UPGRADE) --group pyproject.toml:embedded -c requirements.txt --output-file sandbox/requirements.txt; \
	$(compile) $(UPGRADE) --group pyproject.toml:tests -c requirements.txt -c sandbox/requirements.txt \
		--output-file tests/requirements.txt

clean: ## remove what was installed and cached, keep the demo's data
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .static
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
