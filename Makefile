# The commands of this project. `make test` is what CI runs.
.PHONY: build test check audit bench bench-cluster stack foreign compose release

CARGO ?= cargo
VENV := target/venv

build:
	$(CARGO) build --release

# Everything that can be tested on one machine: the embedded backends, the simulators, foreign readers.
test: foreign compose
	$(CARGO) test --workspace

# Readers of other makers read what we wrote, and count what we read.
foreign: $(VENV)/ready
	$(VENV)/bin/python schemas/tests/foreign.py
	$(VENV)/bin/python connectors/src/files/fixtures/fitdecode.py --check

# Where no Docker engine runs, docker-compose.yml is checked against the Compose Specification and the binary.
compose: $(VENV)/ready
	$(VENV)/bin/python tests/compose_check.py $(CARGO) run --quiet --package topology --

$(VENV)/ready: requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.txt
	touch $@

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check bans licenses sources

# Known vulnerabilities of dependencies: asks the advisory database, so it needs the network.
audit:
	$(CARGO) deny check advisories

bench:
	$(CARGO) bench --package benches

# On real servers, beside a bare relay and a Kafka Streams program doing the same: ratios out of one run.
bench-cluster:
	mvn --quiet --batch-mode --file benches/cluster/streams/pom.xml package
	$(CARGO) build --release --package topology --package benches
	python3 tests/stack/stack.py run -- target/release/cluster-bench

# Real servers (Kafka, a CQL store, a schema registry) are not part of this version: everything runs embedded.
stack:
	@echo "this version runs on memory:// and sqlite:// alone; there is no server to start"

release:
	$(CARGO) build --release --locked
