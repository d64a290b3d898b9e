# Every target makes what it needs: a virtual environment in .venv with the pinned packages of requirements.lock.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKDIR ?= runs/demo

BENCH ?= .venv-bench

.PHONY: demo results bench test test-slow lint clean

demo: $(VENV)/.installed  ## Train both families on the embedded digits and write runs/demo/report.html
	$(BIN)/python scripts/compare.py --config=configs/compare/digits.py --workdir=$(WORKDIR)

results: $(VENV)/.installed  ## Run the demo anew and write the README's table from it
	rm -rf runs/results && mkdir -p runs
	$(BIN)/python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/results
	mkdir -p results && cp runs/results/results.json results/digits.json
	$(BIN)/python scripts/results.py

bench: $(VENV)/.installed $(BENCH)/.installed  ## Measure genjax beside other libraries; ARGS='--only=T1 --peers=none' measures a part
	$(BIN)/python -m benchmarks.run --python=$(BENCH)/bin/python $(ARGS)

test: $(VENV)/.installed  ## The default tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.installed  ## The quality runs that take minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or faults or processes"

lint: $(VENV)/.installed  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python

clean:  ## Remove the virtual environment; runs/ stays
	rm -rf $(VENV) $(BENCH) build *.egg-info

$(BENCH)/.installed: benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --disable-pip-version-check --progress-bar off --no-deps --requirement benchmarks/requirements.txt
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "genjax needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": use make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
