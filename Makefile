# edged: make run | make test | make install

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# picamera2 comes from apt only: where it is there, the environment must see the system's packages,
# and keep the system's numpy, which picamera2's compiled parts were built against.
PICAMERA2 := $(shell $(PYTHON) -c 'import importlib.util as u; print(u.find_spec("picamera2") is not None)' 2>/dev/null)
ifeq ($(PICAMERA2),True)
VENV_OPTIONS = --system-site-packages
CONSTRAINTS = $(VENV)/constraints.txt
else
VENV_OPTIONS =
CONSTRAINTS = constraints.txt
endif

.PHONY: help run test lint check format model bench install uninstall lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV_OPTIONS) $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/constraints.txt: constraints.txt | $(BIN)/python
	grep -v '^numpy==' constraints.txt > $@

# A stamp for each set of extras: installed again when what it depends on changes.
$(VENV)/run.stamp: pyproject.toml setup.py edged/imaging/_kernels.c $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[demo,video]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable '.[demo,video,completion,test]'
	@touch $@

run: $(VENV)/run.stamp ## start the demo: camera, model, broker and outputs, with nothing configured
	$(BIN)/edged run --config config/demo.toml

lint: $(VENV)/test.stamp ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(VENV)/test.stamp ## the tests alone; make check ARGS="-k decide"
	$(BIN)/python -m pytest $(ARGS)

test: lint check ## style, types and tests

format: $(VENV)/test.stamp ## put the code in the style that `make lint` asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/test.stamp ## renew constraints.txt from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-emit-index-url --no-header --no-annotate \
		--extra demo --extra video --extra lgpio --extra completion --extra test pyproject.toml -o constraints.txt

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
