# make demo   a clip from words, with the model that ships      make lint      ruff
# make test   the tests                                         make types     pyright
# make docs   the documentation, in site/                       make test-all  also the tests that take minutes each
# make env    the environment alone, in .venv                   make lock      requirements.lock anew from pyproject.toml
# make env EXTRAS="serve cuda13"   the environment with extras of pyproject.toml
# make gpu    the benchmarks that want an accelerator
#
# Needs Python and make, nothing else. VENV=DIR puts the environment elsewhere; PYTHON is the interpreter, or the range of
# versions to choose one from; TEST_ARGS goes to pytest, as in: make test TEST_ARGS='-m "not slow"'

VENV ?= .venv
PYTHON ?= >=3.11,<3.14
TEST_ARGS ?=
EXTRAS ?=
BIN := $(VENV)/bin

# A uv that is on the path is used, else one is put into .uv. (It may be on the path and still not run: a version manager's
# stub.)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)

.PHONY: demo test test-all gpu env lint types format docs lock audit

demo: env
	@$(BIN)/reelm generate "a red seven moves right" -o seven.mp4

# The tests start many processes. Where Python keeps no bytecode, each would compile all that it imports anew. Files are
# taken in the order of `tests/conftest.py`.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder

test: env
	$(PYTEST) -m "not long" $(TEST_ARGS)

test-all: env
	$(PYTEST) $(TEST_ARGS)

gpu: env
	PATH="$(abspath $(BIN)):$$PATH" benchmarks/gpu.sh

lint: env
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: env
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: env
	$(BIN)/pyright --pythonpath $(BIN)/python

# Known vulnerabilities of the locked versions; none is excepted.
audit: $(filter-out uv,$(UV))
	$(UV) tool run pip-audit --disable-pip --require-hashes --requirement requirements.lock

# A broken link or a public name without a docstring fails.
docs: env
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs . site

comma := ,
override EXTRAS := $(subst $(comma), ,$(EXTRAS))
KNOWN := $(shell sed -n '/^\[project.optional-dependencies\]/,/^\[project.scripts\]/s/^\([a-z0-9]*\) = .*/\1/p' pyproject.toml)
UNKNOWN := $(filter-out $(KNOWN),$(EXTRAS))
$(if $(UNKNOWN),$(error there is no extra $(firstword $(UNKNOWN)); there are: $(KNOWN)))

env: $(VENV)/.installed $(EXTRAS:%=$(VENV)/.installed-%)

$(VENV)/.installed: requirements.lock pyproject.toml $(filter-out uv,$(UV))
	test -x $(BIN)/python || $(UV) venv --quiet --python "$(PYTHON)" $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	test -x $(BIN)/pip || $(UV) pip install --quiet --python $(BIN)/python pip
	@touch $@

# An extra brings what the lock does not hold. What the lock does hold keeps its version.
$(VENV)/.installed-%: $(VENV)/.installed
	$(UV) pip install --quiet --python $(BIN)/python --constraint requirements.lock -e ".[$*]"
	@touch $@

# Some distributions ship Python without venv, others guard pip: one of the two ways is open.
.uv/bin/uv:
	python3 -m venv .uv && .uv/bin/python -m pip install --quiet uv \
	|| { python3 -m pip install --quiet --user uv && mkdir -p .uv/bin \
	     && ln -sf "$$(python3 -m site --user-base)/bin/uv" $@; }

lock: $(filter-out uv,$(UV))
	$(UV) pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --quiet -o requirements.lock
