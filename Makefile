# The commands of this project. `make test` is what CI runs.
.PHONY: build test tests-here test-cluster check audit bench bench-cluster eval soak soak-small soak-full drill stack foreign compose release

CARGO ?= cargo
# How much `make soak` does: full (about an hour) or small (a few minutes).
SIZE ?= full
# Of what `make eval` makes its pairs (figures were found on seed 1), and how many of a shape.
SEED ?= 2
PAIRS ?= 3000
VENV := target/venv
# The binaries as `cargo test --workspace` builds them: nothing is compiled twice.
AS_TESTED := --workspace --bins --tests

build:
	$(CARGO) build --release

# Foreign readers, everything on the embedded backends, and every adapter and the readers of analytics on real servers
# (Kafka, Cassandra in ScyllaDB's place, a schema registry), which are started for it and stopped again. How they are
# found: tests/stack/stack.py.
test: foreign compose
	python3 tests/stack/stack.py run -- $(MAKE) tests-here

tests-here:
	$(CARGO) test --workspace
ifdef SYNCWELL_TEST_BUS
	$(VENV)/bin/python tests/consumers.py
else
	@echo "LEFT OUT: what needs Kafka, a CQL store and a registry; tests/stack/stack.py says what is missing"
endif

# The scenarios and every third case of the crash sweep once more, on real servers: about half an hour.
test-cluster:
	SYNCWELL_TEST_WORLD=cluster python3 tests/stack/stack.py run -- $(CARGO) test --workspace --test suite

# Readers of other makers read what we wrote, and count what we read.
foreign: $(VENV)/ready
	$(VENV)/bin/python schemas/tests/foreign.py
	$(VENV)/bin/python connectors/src/files/fixtures/fitdecode.py --check

# Where no Docker engine runs, docker-compose.yml is checked against the Compose Specification and the binary.
compose: $(VENV)/ready
	$(CARGO) build $(AS_TESTED)
	$(VENV)/bin/python tests/compose_check.py target/debug/syncwell

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

# How well records are matched, on lives made up from a seed and on real recordings, beside three open systems: the
# tables of docs/matching.md. About a minute.
eval:
	$(CARGO) build --quiet $(AS_TESTED)
	target/debug/syncwell-eval --seed $(SEED) --pairs $(PAIRS)

# Faults on a cluster of real processes and servers, with figures. Small: on what `make test` has built. Full: on a
# release, and one of three brokers is killed, too.
soak: soak-$(SIZE)

soak-small:
	$(CARGO) build $(AS_TESTED)
	python3 tests/stack/stack.py run -- target/debug/syncwell-soak --size small

soak-full:
	$(CARGO) build --release --package tests --bin syncwell-soak --bin syncwell-under-test
	python3 tests/stack/stack.py run -- target/release/syncwell-soak --size full
	python3 tests/stack/stack.py run --brokers 3 -- target/release/syncwell-soak --size full --only broker

# Loses the bus, the store's rows and what came after a snapshot, and says how long each takes to be put right.
drill:
	$(CARGO) build $(AS_TESTED)
	python3 tests/stack/stack.py run -- target/debug/syncwell-drill --records 1000

# On real servers, beside a bare relay and a Kafka Streams program doing the same: ratios out of one run.
bench-cluster:
	mvn --quiet --batch-mode --file benches/cluster/streams/pom.xml package
	$(CARGO) build --release --package topology --package benches
	python3 tests/stack/stack.py run -- target/release/cluster-bench

# Kafka, Cassandra in ScyllaDB's place, and a schema registry, until `python3 tests/stack/stack.py down`.
stack:
	python3 tests/stack/stack.py up

release:
	$(CARGO) build --release --locked
