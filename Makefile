# notemill's commands. The README tells which to use when.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo/work

.PHONY: help demo clean-demo test test-site test-kubernetes chaos lint lock schema bench sbom soak

help:
	@echo "make demo        the whole path on synthetic notes, on this machine, without any server"
	@echo "make clean-demo  remove what the demo made"
	@echo "make test        every suite; installs Debian packages for the real servers where it may"
	@echo "make test-site   the newer site: MySQL 9.7, Slurm 26.05, Apptainer (needs root and debootstrap)"
	@echo "make test-kubernetes  the demo on the cluster of KUBECONFIG, with the image NOTEMILL_IMAGE"
	@echo "make chaos       everything killed at random (tests/chaos); SEED=7 ROUNDS=20 VICTIM=engine,disk"
	@echo "make bench       docs/performance.md measured anew, hours; BENCH=quick: minutes; PARTS=\"plan shard\""
	@echo "make soak        a million notes in 2,000 shards, hours; SOAK=\"--notes 50000 --shards 200\""
	@echo "make sbom        sbom.cdx.json: what users install, as CycloneDX"
	@echo "make lint        the linters alone, a part of make test"
	@echo "make lock        pin the newest versions of the dependencies"
	@echo "make schema      write config/config.schema.json anew, after a change of notemill/config"

demo: $(VENV)/installed $(DEMO)/clinical.sqlite
	$(BIN)/snakemake --profile profiles/demo report
	@$(BIN)/python -m notemill summary --configfile config/demo.yaml
	@echo "The demo's model is a toy that knows this one task (models/CARD.md). All else is real."
	@echo "Results: $(DEMO)/clinical.sqlite; logs: $(DEMO)/results/logs"
	@echo "How good it is, to look at in a browser: $(DEMO)/results/report/report.html"
	@echo "Its commands:"
	@echo "  $(BIN)/python -m notemill status --configfile config/demo.yaml"
	@echo "  $(BIN)/python -m notemill summary --configfile config/demo.yaml"
	@echo "  $(BIN)/python -m notemill look synthetic pneumonia --configfile config/demo.yaml"
	@echo "  $(BIN)/python -m notemill audit draw synthetic pneumonia --readers ana,ben --configfile config/demo.yaml"

clean-demo:
	rm -rf $(DEMO)

$(DEMO)/clinical.sqlite: | $(VENV)/installed
	$(BIN)/python -m demo.database $@

test: $(VENV)/tests-installed lint
	$(BIN)/python -m tests.servers.debian
	$(BIN)/python -m compileall -q notemill demo models tests  # read by hundreds of processes
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-site: $(VENV)/tests-installed
	$(BIN)/python -m pytest -m site tests/servers/site

test-kubernetes: $(VENV)/tests-installed
	$(BIN)/python -m pytest -m kubernetes tests/deploy/test_cluster.py

chaos: $(VENV)/tests-installed
	$(BIN)/python -m tests.chaos $(SEED:%=--seed %) $(ROUNDS:%=--rounds %) $(ROUND:%=--round %) \
	    $(VICTIM:%=--victim %) $(KIND:%=--kind %)

lint: $(VENV)/tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

bench: $(VENV)/tests-installed
	$(BIN)/python -m benchmarks.performance $(if $(filter quick,$(BENCH)),--quick) $(PARTS:%=--part %)

schema: $(VENV)/installed
	$(BIN)/python -m notemill.config.schema > config/config.schema.json

# The lock files hold hashes and no addresses. One for users, one with the tests' tools.
lock: $(VENV)/tests-installed
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --no-header --extra test \
	    pyproject.toml -o requirements-test.lock

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "notemill needs Python 3.11 or later; name one: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/installed: $(VENV)/python requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/tests-installed: $(VENV)/installed requirements-test.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

# A bill of materials of what users install, as CycloneDX, by a tool in an environment of its own.
SBOM := .sbom
sbom: $(SBOM)/bin/cyclonedx-py
	$(SBOM)/bin/cyclonedx-py requirements --output-reproducible --spec-version 1.6 \
	    --pyproject pyproject.toml --mc-type application --output-file sbom.cdx.json requirements.lock

$(SBOM)/bin/cyclonedx-py:
	@$(PYTHON) -m venv $(SBOM)
	$(SBOM)/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.*

# Some hours: a million notes in 2,000 shards against a server that answers at once.
soak: $(VENV)/tests-installed
	$(BIN)/python -m benchmarks.soak $(SOAK)
