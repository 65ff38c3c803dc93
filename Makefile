# Everything runs from .venv, which is built from requirements.lock on first use; production has a lock of its own.
# `make help` lists the targets.

PORT ?= 8000
SECONDS ?= 600
ACCOUNTS ?= 500
PYTHON ?= python3.11 python3 python3.12 python3.13 python3.14
export PIP_ROOT_USER_ACTION := ignore
export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv/bin/python
BUILT := .venv/built-from.lock
TWO := -n 2 --dist loadfile
CHECKING := CERBY_MODE=test DJANGO_SETTINGS_MODULE=cerby.settings

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset story screenshots test drill soak-rotation bench-scim bench-rotation lint lock

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do \
	  printf '%-20s %s\n' "$$target" "$$text"; done

demo: $(BUILT) ## Start Cerby with a demo company, all engines included (PORT=8000); Ctrl-C stops it
	@exec $(VENV) -m demo start --port "$(PORT)"

demo-reset: $(BUILT) ## Throw the demo's data away
	@exec $(VENV) -m demo reset

story: $(BUILT) ## Play Okta against the demo and prove each promise (starts a demo when none runs)
	@exec $(VENV) -m demo story

screenshots: $(BUILT) ## Take pictures of the console for docs/ (needs Chromium)
	@exec $(VENV) -m demo screenshots

# Two processes unless told otherwise, each with engines of its own and whole modules, which share what they start.
test: $(BUILT) ## Run all tests, in two processes (ARGS="tests/scim -x" SEED=1); REQUIRE_ALL=1 turns skips into failures
	@TEST_SEED="$(SEED)" exec $(VENV) -m pytest $(or $(ARGS),$(TWO))

drill: $(BUILT) ## Run the generated tests from a random seed, ten times as far (SEED= repeats one, EFFORT=10)
	@TEST_SEED="$(or $(SEED),random)" TEST_EFFORT="$(or $(EFFORT),10)" \
	  exec $(VENV) -m pytest -m "generated or hypothesis" $(or $(ARGS),$(TWO))

soak-rotation: $(BUILT) ## Kill workers and broker at random under rotations (SECONDS=600 ACCOUNTS=500 SEED=)
	@SOAK_SECONDS="$(SECONDS)" SOAK_ACCOUNTS="$(ACCOUNTS)" TEST_SEED="$(or $(SEED),random)" \
	  $(VENV) -m pytest tests/e2e/test_soak.py -q

bench-scim: $(BUILT) ## Measure SCIM beside its peers (ARGS="--only lifecycle", ARGS=--quick); see benchmarks/README.md
	@exec $(VENV) -m benchmarks.scim $(ARGS)

bench-rotation: $(BUILT) ## Measure departures and rotations (ARGS="--only departures", ARGS=--quick)
	@exec $(VENV) -m benchmarks.rotation $(ARGS)

lint: $(BUILT) ## Check style, types, imports, settings and missing migrations
	@$(VENV) -m ruff check --quiet
	@$(CHECKING) $(VENV) -m mypy --no-error-summary
	@.venv/bin/lint-imports > .venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }
	@$(CHECKING) $(VENV) -m django check
	@$(CHECKING) $(VENV) -W ignore::RuntimeWarning -m django makemigrations --check --dry-run -v 1

COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

lock: ## Pin the newest versions that pyproject.toml allows: all of them, and those of production (needs uv)
	@command -v uv > /dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@$(COMPILE) --group embedded --group dev --upgrade --output-file requirements.lock
	@$(COMPILE) --constraint requirements.lock --upgrade --output-file requirements-production.lock

# The copy of the lock is written last: what was interrupted, or built from another lock, is built anew. The lock names
# everything, so pip resolves nothing: left to itself, older ones stumble over a release newer than the one pinned.
$(BUILT): requirements.lock
	@if cmp -s requirements.lock $(BUILT) && $(VENV) -c '' 2> /dev/null; then touch $(BUILT); exit 0; fi; \
	rm -f $(BUILT); \
	for python in $(PYTHON); do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then \
	    echo "Building .venv from requirements.lock with $$python. This happens once and takes a minute."; \
	    "$$python" -m venv --clear .venv && \
	    $(VENV) -m pip install -qq --no-input --no-deps --require-hashes -r requirements.lock && \
	    cp requirements.lock $(BUILT) && exit 0; \
	    echo "Building .venv failed; the reason stands above. Run make again when it is gone." >&2; exit 1; \
	  fi; \
	done; \
	echo "Cerby needs Python 3.11 or newer with its venv module (Debian: apt install python3 python3-venv)." >&2; \
	echo "None of these is one: $(PYTHON). Name yours with make PYTHON=/path/to/python3.11" >&2; exit 1
