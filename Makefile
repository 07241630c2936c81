# Everything here sets itself up in a virtual environment of its own; it needs Python 3.11 or newer, and make.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test check demo play faults bench convergence clean

VENV ?= .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
STORY = $(if $(BROKER),--broker "$(BROKER)") $(if $(DATABASE),--database "$(DATABASE)")

help: ## these lines
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

test: $(READY) ## all tests; ARGS=tests/apply for a part; a missing server skips its tests (CI=true: fails)
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## style, types, imports, migrations and the fast tests, in under a minute
	@$(BIN)/tox run -e check

demo: $(READY) ## three services, a story of faults, a comparison; BROKER=redis://… or amqp://… DATABASE=postgres://…
	@$(BIN)/python -m sample_project.demo $(STORY)

play: $(READY) ## the three services with their admins and Flower, until Ctrl-C
	@$(BIN)/python -m sample_project.play $(STORY)

faults: $(READY) ## outages on servers of its own, and a table; ARGS="flushall --broker redis" for a part; MUTATION=no-resend
	@$(BIN)/python -m tests.faults $(ARGS) $(if $(MUTATION),--mutation $(MUTATION))

bench: $(READY) ## speed beside django-cqrs 3.1.0, a table and build/bench.json; ARGS="apply_backlog --broker redis" for a part
	@$(BIN)/python -m tests.benchmarks $(ARGS)

convergence: $(READY) ## 100,000 hostile deliveries on each database, three seeds, and a table; ARGS="--seed 1 --database mariadb" MUTATION=no-guard
	@$(BIN)/python -m tests.convergence $(ARGS) $(if $(MUTATION),--mutation $(MUTATION))

clean: ## removes the environments, caches and scratch folders
	rm -rf $(VENV) .tox .scratch build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is younger than pyproject.toml once everything named there is installed.
$(READY): pyproject.toml
	@python=$$(for each in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	    "$$each" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; \
	done); \
	test -n "$$python" || { echo "Python 3.11 or newer with its venv module is needed (on Debian: python3-venv)." >&2; exit 1; }; \
	echo "Installing into $(VENV), once; this takes about a minute …"; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
