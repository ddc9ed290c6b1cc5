PYTHON ?= python3
BIN := .venv/bin
# Tests start hundreds of short processes: modules are compiled once, not in each.
unexport PYTHONDONTWRITEBYTECODE

PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt

# Of pip's many lines only how far it is. The last command of the pipe decides whether it failed.
define INSTALL
{ $(PIP) $(1) 2>&1 || echo "pip-failed"; } | { n=0; failed=0; while read -r word rest; do case "$$word" in \
	Collecting) n=$$((n + 1)); if [ $$((n % 10)) = 0 ]; then echo "  $$n packages collected"; fi ;; \
	Installing) case "$$rest" in collected*) echo "  unpacking them, about half a minute ..." ;; esac ;; \
	ERROR:* | error:) echo "$$word $$rest" ;; \
	pip-failed) failed=1 ;; \
	esac; done; exit $$failed; }
endef

# Two makes must not install into .venv at the same time: the second one waits, and then finds it done.
LOCKED := $(PYTHON) -c 'import fcntl, os, sys; lock = open(".venv.lock", "w"); os.set_inheritable(lock.fileno(), True); \
	taken = fcntl.LOCK_EX | fcntl.LOCK_NB; \
	exec("try: fcntl.flock(lock, taken)\nexcept OSError: print(\"Waiting for another make, which is installing ...\", flush=True)"); \
	fcntl.flock(lock, fcntl.LOCK_EX); os.execvp(sys.argv[1], sys.argv[1:])' $(MAKE) --no-print-directory --silent SETUP=1

# Of a package in both files, the version for servers.
PRODUCTION_CONSTRAINTS = awk -F== 'NR == FNR { seen[$$1]; print; next } !($$1 in seen)' constraints-production.txt constraints.txt

.PHONY: help demo ui test test-long check format benchmark regression docs screenshots production production-constraints clean
.DEFAULT_GOAL := demo

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.ready  ## run everything once, against the built-in sandbox (the default)
	$(BIN)/timix-assets demo

ui: .venv/.ready  ## open the Dagster UI on http://127.0.0.1:3000
	$(BIN)/timix-assets ui

test: .venv/.dev  ## run the test suite without the long tests
	$(BIN)/pytest -n 3 --dist loadfile -m "not long"

test-long: .venv/.dev  ## run the long tests: every fault end to end, a real Dagster, large firms
	$(BIN)/pytest -n 3 --dist loadfile -m "long or hypothesis" --hypothesis-profile many --timeout 600

check: .venv/.dev  ## check lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev  ## format the code and fix what lint can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/.dev  ## measure the figures in benchmarks/README.md, dlt too; refused on a busy machine
	$(BIN)/python -m benchmarks --peers --write

regression: .venv/.dev  ## check that reading costs no more CPU, by the bare loop's, than is stored
	$(BIN)/python -m benchmarks --short

docs: .venv/.dev  ## regenerate what repeats declarations: tables in the docs, the asset snapshot
	$(BIN)/python -m timix_assets_tests.generated_docs
	$(BIN)/python -m timix_assets_tests.assets.test_specs

screenshots: .venv/.dev  ## take the pictures of the README again, in a chromium that is installed
	$(BIN)/python -m timix_assets_tests.browser.screenshots

production-constraints:  ## print the versions that servers have
	@$(PRODUCTION_CONSTRAINTS)

production: .venv-production/.ready  ## install what servers have, with PostgreSQL and S3, into .venv-production

clean:  ## remove the environments; the lake and the runs stay
	rm -rf .venv .venv.lock .venv-production

ifdef SETUP
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "timix_assets needs Python 3.11 or later; name one with PYTHON=python3.12")'
	@echo "Creating .venv and installing timix_assets once: one to four minutes, as fast as the network is ..."
	@$(PYTHON) -m venv .venv

.venv/.ready: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing timix_assets and its dependencies into .venv ..."
	@$(call INSTALL,-e .)
	@touch $@

.venv/.dev: .venv/.ready
	@echo "Installing the development tools into .venv ..."
	@$(call INSTALL,-e '.[dev]')
	@touch $@

.venv-production/.ready: pyproject.toml constraints.txt constraints-production.txt
	@echo "Installing timix_assets as servers have it into .venv-production ..."
	@$(PYTHON) -m venv .venv-production
	@$(PRODUCTION_CONSTRAINTS) > .venv-production/constraints.txt
	@.venv-production/bin/python -m pip install -qq --disable-pip-version-check -c .venv-production/constraints.txt \
		-e '.[production]'
	@touch $@
else
.venv/bin/python:
	@$(LOCKED) $@

.venv/.ready: .venv/bin/python pyproject.toml constraints.txt
	@$(LOCKED) $@

.venv/.dev: .venv/.ready
	@$(LOCKED) $@

.venv-production/.ready: pyproject.toml constraints.txt constraints-production.txt
	@$(LOCKED) $@
endif
