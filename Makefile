# Every target does its own set-up from nothing: a virtual environment in .venv with exactly what requirements.lock names.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# More arguments for pytest and for the benchmark: make test ARGS='-k tunnel', ARGS='-n 0 --pdb'
ARGS ?=
# The order of the files stays: by itself xdist begins those of one test last, and the longest tests are alone in theirs.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder
# A test that hangs ends its worker after this many seconds, with a trace of where, and counts as failed: the longest
# take a minute and a half.
HANGS := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true
# What takes minutes, or a machine of its own: hostile input by every way in, programs of others, browsers, faults,
# thousands of connections, jails and network namespaces. `make test` leaves it to `make test-all`.
LONG := attack clients dashboard faults image installed scale soak
QUICK := $(addprefix --ignore=tests/,$(LONG)) -m 'not (end_to_end and (slow or root))'
# A module is compiled once, and not by each worker and process of each run.
unexport PYTHONDONTWRITEBYTECODE
# How long `make soak` goes on (90s, 30m, 8h), and how long `make fuzz` feeds each target; and which one (all of them).
soak: TIME ?= 30m
fuzz: TIME ?= 1m
TARGET ?=

TEST_TOOLS := curl=curl openssl=openssl ip=iproute2 nft=nftables nginx=nginx-light git=git h2load=nghttp2-client dig=bind9-dnsutils \
	fish=fish zsh=zsh go=golang-go jq=jq wget=wget \
	haproxy=haproxy squid=squid-openssl valgrind=valgrind \
	node=nodejs npm=npm chromium=chromium certutil=libnss3-tools strace=strace faketime=faketime locale-gen=locales
BENCH_TOOLS := nginx=nginx-light wrk=wrk curl=curl h2load=nghttp2-client dnsperf=dnsperf
RIVALS := squid=squid-openssl haproxy=haproxy

.DEFAULT_GOAL := help
.PHONY: help venv demo dist pex test-installed image-check release test test-unit test-all scale soak clients-page fuzz selftest-rivals docs check bench bench-quick bench-gate profile bench-baseline lock clean

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' Makefile

venv:  ## make the virtual environment, or bring it up to date
	@scripts/make-venv "$(PYTHON)" "$(VENV)"
	@$(BIN)/python -m compileall -q src

demo: venv  ## see the proxy at work: nothing to configure, no internet needed
	@$(BIN)/iron-proxy demo

test: venv  ## run the tests that take seconds: some 20,000, in four minutes on two cores
	@scripts/install-tools $(TEST_TOOLS)
	$(BIN)/python -m pytest -q $(PARALLEL) $(HANGS) $(QUICK) $(ARGS)

test-unit: venv  ## run the unit tests that take less than a quarter of a second each: half a minute on two cores
	@scripts/test-unit $(BIN)/python $(ARGS)

test-all: venv  ## run all tests: those and what takes minutes
	@scripts/install-tools $(TEST_TOOLS)
	$(BIN)/python -m pytest -q $(PARALLEL) $(HANGS) $(ARGS)

scale: venv  ## thousands of connections, streams, WebSockets and tunnels, and proxies behind a balancer: with figures
	@scripts/install-tools $(TEST_TOOLS)
	SCALE=full $(BIN)/python -m pytest -q tests/scale $(ARGS)

soak: venv  ## mixed load for TIME=30m; the report is written to soak.json and soak.md
	SOAK_TIME=$(TIME) SOAK_REPORT=soak $(BIN)/python -m pytest -q tests/soak $(ARGS)

clients-page: venv  ## run the real clients alone, and write docs/reference/clients.md from what they did
	@scripts/install-tools $(TEST_TOOLS)
	WRITE_CLIENTS_PAGE=1 $(BIN)/python -m pytest -q tests/clients $(ARGS)

fuzz: venv  ## feed the fuzz targets (TIME=10m each, TARGET=name for one): tests/fuzz/run.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	$(BIN)/python -m tests.fuzz.run $(TARGET) --time $(TIME) $(ARGS)

# Its dependencies contradict ours, so that mitmproxy has an environment of its own and no place in the lock.
selftest-rivals: venv  ## run the selftest against ours, squid and mitmproxy
	@scripts/install-tools $(TEST_TOOLS)
	@test -x .venv-mitmproxy/bin/mitmdump || \
		{ $(PYTHON) -m venv .venv-mitmproxy && .venv-mitmproxy/bin/pip install -q mitmproxy; }
	$(BIN)/python -m pytest -q tests/end_to_end/test_selftest.py $(ARGS)

dist: venv  ## build sdist and wheel into dist/: the same bytes from the same commit
	@PYTHON=$(abspath $(BIN)/python) scripts/dist

pex: venv dist .venv-release/.installed  ## build one executable file that needs only a Python, into dist/ beside the wheel
	@scripts/pex

test-installed: venv dist pex  ## install wheel, sdist and the single file in fresh environments of each Python, and use them
	INSTALLED=1 $(BIN)/python -m pytest -q tests/installed $(ARGS)

image-check: venv  ## carry out the steps of the Dockerfile in a Debian folder, as root, and run the result
	@scripts/install-tools debootstrap=debootstrap ip=iproute2
	IMAGE_CHECK=1 $(BIN)/python -m pytest -q tests/image $(ARGS)

release: venv .venv-release/.installed  ## build and sign what a release consists of: KEY=FINGERPRINT
	@PYTHON=$(abspath $(BIN)/python) scripts/release "$(KEY)"

.venv-release/.installed: requirements-release.lock
	@"$(PYTHON)" -m venv --clear .venv-release
	@.venv-release/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-release.lock
	@touch $@

docs: venv  ## build the documentation as a site in site/, for a browser and without a network
	@scripts/build-docs "$(PYTHON)" $(ARGS)
	@printf 'open site/index.html\n'

check: venv  ## lint and type check
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: venv  ## measure iron-proxy beside nginx, Envoy, HAProxy, Squid, mitmproxy and proxy.py (half an hour)
	@scripts/install-tools $(BENCH_TOOLS) $(RIVALS)
	@scripts/install-rivals "$(PYTHON)"
	$(BIN)/python -m bench $(ARGS)

bench-quick: venv  ## beside nginx only, with short runs: a first impression, no figures to quote
	@scripts/install-tools $(BENCH_TOOLS)
	$(BIN)/python -m bench --quick $(ARGS)

bench-gate: venv  ## fail when a ratio to nginx is worse than bench/baseline.json by more than a quarter
	@scripts/install-tools $(BENCH_TOOLS)
	$(BIN)/python -m bench --gate $(ARGS)

profile: venv  ## tell where a request's time goes: calls and instructions counted, samples by library (ARGS=--keep)
	@scripts/install-tools $(BENCH_TOOLS) perf=linux-perf valgrind=valgrind
	$(BIN)/python -m bench.profiling $(ARGS)

bench-baseline: venv  ## write bench/baseline.json anew from this machine and commit
	@scripts/install-tools $(BENCH_TOOLS)
	$(BIN)/python -m bench --write-baseline $(ARGS)

lock:  ## write requirements.lock anew (ARGS=--upgrade for the newest of everything)
	@PYTHON="$(PYTHON)" scripts/lock $(ARGS)

clean:  ## remove what the other targets made
	rm -rf .venv .venv-* .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build site
	find src tests bench -name __pycache__ -prune -exec rm -rf {} +
