# make run: install, run the default experiments, say where the report is.
# make test: install if needed, check style, types and layers, and run the tests of every change.
# make test-all: those, and the ones that take minutes; CI asks for it where what they are about has changed.
PYTHON ?= python3
VENV ?= .venv
LOCK := locks/requirements.txt
# lock: the exact versions of the lock file; lowest-direct or highest: the oldest or the newest that pyproject.toml allows
RESOLUTION ?= lock
BIN := $(VENV)/bin
export PATH := $(if $(filter /%,$(VENV)),,$(CURDIR)/)$(BIN):$(PATH)

.PHONY: run install test test-all lint smoke docs lock schema clean

run: install
	@snakemake --cores all
	@echo; for page in results/*/report.html; do echo "report: $$PWD/$$page"; done

install: $(VENV)/.amdiff-installed
	@$(BIN)/python -P -c "import amdiff, pathlib, sys; sys.exit(pathlib.Path(amdiff.__file__).parent.parent != pathlib.Path.cwd())" \
	  2>/dev/null || $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .

$(VENV)/.amdiff-installed: $(LOCK)
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'amdiff needs Python >= 3.11, this is ' + sys.version.split()[0] + '; set PYTHON=python3.x')"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes minutes and about 6 GB"
ifeq ($(RESOLUTION),lock)
	@$(BIN)/python -m pip install --quiet --requirement $(LOCK)
else
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --resolution $(RESOLUTION) --extra dev --requirements pyproject.toml
endif
	@touch $@

PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

test: install lint
	$(PYTEST)

test-all: test
	$(PYTEST) -m full
	$(BIN)/python -m tests.full --record

lint: install
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow
	lint-imports
	mypy

smoke: install
	snakemake --cores all --configfile workflow/config/smoke.yaml

docs: install
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

schema: install
	$(BIN)/python -m amdiff schema > workflow/config/schema.json

# Resolve the lock anew: exact versions for every platform; torch is held where its wheels were tried.
lock: install
	printf 'torch==2.14.1\ntorchvision==0.29.1\n' > locks/constraints.txt
	uv pip compile --universal --python-version 3.11 --quiet --no-header --no-annotate \
	  --extra dev --constraints locks/constraints.txt pyproject.toml -o $(LOCK)

clean:
	rm -rf scratch logs site .snakemake
