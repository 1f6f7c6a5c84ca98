# The commands of this project. `make test` is what CI runs.
.PHONY: build test check audit bench stack foreign release

CARGO ?= cargo
VENV := target/venv

build:
	$(CARGO) build --release

# Everything that can be tested on one machine: the embedded backends, the simulators, foreign readers.
test: foreign
	$(CARGO) test --workspace

# Readers of other makers read what we wrote, and count what we read.
foreign: $(VENV)/ready
	$(VENV)/bin/python schemas/tests/foreign.py
	$(VENV)/bin/python connectors/src/files/fixtures/fitdecode.py --check
	$(VENV)/bin/python tests/consumers.py

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

# Real servers (Kafka, a CQL store, a schema registry) are not part of this version: everything runs embedded.
stack:
	@echo "this version runs on memory:// and sqlite:// alone; there is no server to start"

release:
	$(CARGO) build --release --locked
