# The commands of this project. `make test` is what CI runs.
.PHONY: build test check audit bench soak stack foreign compose release

CARGO ?= cargo
# How much `make soak` does: full (about half an hour) or small (a few minutes).
SIZE ?= full
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

# Faults on a cluster of real processes and servers, with figures; one of three brokers is killed in a full run.
soak:
	$(CARGO) build --release --package tests --bins
	python3 tests/stack/stack.py run -- target/release/syncwell-soak --size $(SIZE)
	[ $(SIZE) = small ] || python3 tests/stack/stack.py run --brokers 3 -- target/release/syncwell-soak --size full --only broker

# Real servers (Kafka, a CQL store, a schema registry) are not part of this version: everything runs embedded.
stack:
	@echo "this version runs on memory:// and sqlite:// alone; there is no server to start"

release:
	$(CARGO) build --release --locked
