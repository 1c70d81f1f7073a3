# Two commands do everything: `make run` and `make test`. Both install on first use.
PYTHON ?= python3
PY := .venv/bin/python

.PHONY: run test test-studies test-emulated test-rounding install check format benchmark-network benchmark-learning soak clean-install

run: install
	$(PY) cosim/run.py --scenario mesh80211

test: install
	$(PY) -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not ns3 and not e2e and not studies and not emulated"
	$(PY) -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "ns3 or e2e"

# Studies that are killed, refused and gone on with; on Slurm where Debian's slurmctld, slurmd,
# slurm-client and munge are installed.
test-studies: install
	$(PY) -m pytest -q -n auto --maxprocesses 2 -m studies

# The same bytes on emulated processors; needs Debian's qemu-user, or another qemu-x86_64.
test-emulated: install
	$(PY) -m pytest -q -m emulated

# Learning's unit tests with other vectors: what hangs on rounding shows itself.
test-rounding: install
	ATEN_CPU_CAPABILITY=default $(PY) -m pytest -q -n auto --maxprocesses 4 --dist worksteal tests/unit/learning

# The environment is complete when its stamp is newer than what it was made from.
install: ns3_scenarios/native/built/.stamp

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: expected Python 3.11 to 3.13, got $$($(PYTHON) -V); name one: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Shortens every start of ns-3 by some seconds; runs work without.
ns3_scenarios/native/built/.stamp: .venv/.installed ns3_scenarios/precompile.py $(wildcard ns3_scenarios/native/*.* ns3_scenarios/native/replaced/*.*)
	-$(PY) -m ns3_scenarios.precompile
	@mkdir -p $(@D) && touch $@

check: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: install
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Ratios within one run; take them from a machine that does nothing else.
benchmark-network: install
	$(PY) tests/benchmarks/bridge_overhead.py
	$(PY) tests/benchmarks/network_sizes.py
	$(PY) tests/benchmarks/network_twin.py
	$(PY) tests/benchmarks/network_air.py

benchmark-learning: install
	$(PY) tests/benchmarks/learning_speed.py

# Kills, flipped bits, odd values: takes a quarter of an hour.
soak: install
	$(PY) tests/benchmarks/soak.py

clean-install:
	rm -rf .venv ns3_scenarios/native/built
