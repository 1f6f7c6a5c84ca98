#!/usr/bin/env python3
"""Starts the real servers that tests, soak and benches run against, and stops them.

    stack.py run [--brokers N] -- COMMAND...   starts them, runs COMMAND with their URLs in its environment, stops them
    stack.py up [--brokers N]                  starts them and prints their URLs as `export NAME=value` lines
    stack.py down                              stops what `up` started
    stack.py kill|start|restart|stop|cont SERVER   one server: kafka-1, cassandra, registry (kill is SIGKILL, stop and
                                               cont freeze and thaw it)

Kafka 4 (KRaft), Cassandra 5 in ScyllaDB's place, and Apicurio Registry come as jars from Maven Central; Java 17 and
Maven are needed. Which servers run is decided so: URLs given in the environment (SYNCWELL_TEST_BUS,
SYNCWELL_TEST_STORE, SYNCWELL_TEST_REGISTRY) are used as they are; else Java and Maven start them; else COMMAND runs
without them, with a line that says so, which is a failure when CI=true.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target")) / "stack"
JARS = Path(os.environ.get("SYNCWELL_STACK_JARS", TARGET))
REGISTRY = "io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all"
NAMES = ["SYNCWELL_TEST_BUS", "SYNCWELL_TEST_STORE", "SYNCWELL_TEST_REGISTRY"]
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
START_MAX_S = 120
# Below what Linux takes for outgoing connections (net.ipv4.ip_local_port_range begins at 32768).
SERVER_PORTS = (15000, 32000)

# What Java 17 has to open for Cassandra (its own jvm17-server.options).
CASSANDRA_OPENS = """
--add-exports java.base/jdk.internal.misc=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED
--add-exports java.base/sun.nio.ch=ALL-UNNAMED --add-exports java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED
--add-exports java.rmi/sun.rmi.registry=ALL-UNNAMED --add-exports java.rmi/sun.rmi.server=ALL-UNNAMED
--add-exports java.sql/java.sql=ALL-UNNAMED --add-exports java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED
--add-exports java.base/java.lang.ref=ALL-UNNAMED --add-exports java.base/java.lang.reflect=ALL-UNNAMED
--add-exports jdk.unsupported/sun.misc=ALL-UNNAMED
--add-opens java.base/java.lang.module=ALL-UNNAMED --add-opens java.base/jdk.internal.loader=ALL-UNNAMED
--add-opens java.base/jdk.internal.ref=ALL-UNNAMED --add-opens java.base/jdk.internal.reflect=ALL-UNNAMED
--add-opens java.base/jdk.internal.math=ALL-UNNAMED --add-opens java.base/jdk.internal.module=ALL-UNNAMED
--add-opens java.base/jdk.internal.util.jar=ALL-UNNAMED --add-opens jdk.management/com.sun.management.internal=ALL-UNNAMED
--add-opens java.base/sun.nio.ch=ALL-UNNAMED --add-opens java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED
--add-opens java.base/java.io=ALL-UNNAMED --add-opens java.base/java.lang=ALL-UNNAMED
--add-opens java.base/java.lang.reflect=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED
--add-opens java.base/java.util=ALL-UNNAMED --add-opens java.base/java.util.concurrent=ALL-UNNAMED
--add-opens java.base/java.util.concurrent.atomic=ALL-UNNAMED
""".split()


def say(text):
    print(f"stack: {text}", file=sys.stderr, flush=True)


def free_port():
    """A free port that the system gives to nobody's outgoing connection: a server that is restarted needs it again."""
    while True:
        port = random.randrange(*SERVER_PORTS)
        with socket.socket() as it:
            try:
                it.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def fetch(name):
    """The jars of a server, fetched once."""
    directory = JARS / name
    if (directory / ".complete").exists():
        return directory
    say(f"fetches the jars of {name} (once)")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    if name == "registry":
        goal = ["dependency:copy", f"-Dartifact={REGISTRY}"]
    else:
        goal = ["-f", str(HERE / f"{name}.xml"), "dependency:copy-dependencies"]
    subprocess.run(["mvn", "-q", "-B", *goal, f"-DoutputDirectory={directory}"], check=True, stdout=sys.stderr)
    for archive in directory.glob("*.tar.gz"):
        with tarfile.open(archive) as it:
            it.extractall(directory, filter="data") if hasattr(tarfile, "data_filter") else it.extractall(directory)
        archive.unlink()
    (directory / ".complete").touch()
    return directory


def certificate(directory, name, *validity):
    """A key store with a self-signed certificate, and that certificate for clients."""
    store = directory / f"{name}.p12"
    common = ["-keystore", str(store), "-storetype", "PKCS12", "-storepass", "testing"]
    make = ["keytool", "-genkeypair", "-alias", name, "-keyalg", "RSA", "-dname", "CN=localhost",
            "-ext", "san=dns:localhost,ip:127.0.0.1", *validity, *common]
    subprocess.run(make, check=True, capture_output=True)
    export = ["keytool", "-exportcert", "-rfc", "-alias", name, "-file", str(directory / f"{name}.pem"), *common]
    subprocess.run(export, check=True, capture_output=True)
    return store


def kafka(directory, number, voters, ports):
    """A broker that is a controller too. Listeners: plain, SASL over TLS, and TLS with an expired certificate."""
    jars = fetch("kafka")
    plain, controller, secure, expired = ports
    good = certificate(directory, "broker", "-validity", "3650")
    old = certificate(directory, "expired", "-startdate", "-30d", "-validity", "1")
    quorum = ",".join(f"{index + 1}@127.0.0.1:{it[1]}" for index, it in enumerate(voters))
    copies = min(3, len(voters))
    plain_login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=admin password=admin-secret user_admin=admin-secret user_syncwell=syncwell-secret;"
    lines = f"""
process.roles=broker,controller
node.id={number}
controller.quorum.voters={quorum}
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SECURE://127.0.0.1:{secure},EXPIRED://127.0.0.1:{expired}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},EXPIRED://127.0.0.1:{expired}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,EXPIRED:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config={plain_login}
listener.name.secure.ssl.keystore.location={good}
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.password=testing
listener.name.expired.ssl.keystore.location={old}
listener.name.expired.ssl.keystore.type=PKCS12
listener.name.expired.ssl.keystore.password=testing
log.dirs={directory}/data
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={min(2, copies)}
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr=1
default.replication.factor={copies}
min.insync.replicas={min(2, copies)}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.segment.delete.delay.ms=1000
log.index.size.max.bytes=65536
log.cleaner.dedupe.buffer.size=10485760
"""
    config = directory / "server.properties"
    config.write_text(lines)
    java = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{HERE / 'log4j'}:{jars}/*"]
    if len(voters) == 1:
        java = ["java", "-Xmx768m", "-cp", f"{HERE / 'log4j'}:{jars}/*"]
    if not (directory / "data").exists():
        form = [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(config)]
        subprocess.run(form, check=True, capture_output=True)
    return {"command": [*java, "kafka.Kafka", str(config)], "port": plain, "secure": secure, "expired": expired,
            "ca": str(directory / "broker.pem"), "ca_expired": str(directory / "expired.pem")}


def cassandra(directory):
    """A node. Its port takes clients with TLS and clients without."""
    jars = fetch("cassandra")
    port, storage = free_port(), free_port()
    keys = certificate(directory, "node", "-validity", "3650")
    (directory / "cassandra.yaml").write_text(f"""
cluster_name: syncwell
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
native_transport_port: {port}
storage_port: {storage}
start_native_transport: true
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
auto_snapshot: false
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 16MiB
commitlog_total_space: 512MiB
memtable_heap_space: 128MiB
memtable_offheap_space: 64MiB
memtable_allocation_type: heap_buffers
concurrent_compactors: 1
concurrent_reads: 16
concurrent_writes: 16
compaction_throughput: 32MiB/s
paxos_variant: v2
client_encryption_options:
  enabled: true
  optional: true
  keystore: {keys}
  keystore_password: testing
  store_type: PKCS12
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.1:{storage}"
""")
    command = ["java", "-Xmx1g", "-Xms512m", "-XX:+UseG1GC", "-ea", "-Djdk.attach.allowAttachSelf=true", *CASSANDRA_OPENS,
               f"-Dcassandra.config=file://{directory}/cassandra.yaml", f"-Dcassandra.storagedir={directory}/data",
               "-Dcassandra-foreground=yes", "-Dcassandra.ring_delay_ms=0",
               "-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.superuser_setup_delay_ms=0",
               "-Djava.net.preferIPv4Stack=true", "-cp", f"{HERE / 'log4j'}:{jars}/*",
               "org.apache.cassandra.service.CassandraDaemon"]
    return {"command": command, "port": port, "ca": str(directory / "node.pem")}


def registry(directory):
    jars = fetch("registry")
    port = free_port()
    runner = next(jars.rglob("apicurio-registry-app-*-runner.jar"))
    command = ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", f"-Dquarkus.http.port={port}",
               "-Dquarkus.http.host=127.0.0.1", "-jar", str(runner)]
    return {"command": command, "port": port}


class Stack:
    """The servers of one run, in a directory of their own; what they are is kept there as JSON."""

    def __init__(self, directory):
        self.directory = directory
        self.path = directory / "stack.json"
        self.servers = json.loads(self.path.read_text()) if self.path.exists() else {}

    def save(self):
        self.path.write_text(json.dumps(self.servers, indent=2))

    def up(self, n_brokers):
        self.down()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        voters = [[free_port() for _ in range(4)] for _ in range(n_brokers)]
        for index, ports in enumerate(voters):
            self.prepare(f"kafka-{index + 1}", lambda it, i=index, p=ports: kafka(it, i + 1, voters, p))
        self.prepare("cassandra", cassandra)
        self.prepare("registry", registry)
        for name in self.servers:
            self.start(name)
        for name in self.servers:
            self.wait(name)
        say(f"up in {self.directory}")

    def prepare(self, name, make):
        directory = self.directory / name
        directory.mkdir()
        self.servers[name] = make(directory)

    def start(self, name):
        server = self.servers[name]
        log = open(self.directory / f"{name}.log", "ab")
        process = subprocess.Popen(server["command"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=self.directory / name, start_new_session=True)
        server["pid"] = process.pid
        self.save()

    def wait(self, name):
        server, until = self.servers[name], time.monotonic() + START_MAX_S
        while time.monotonic() < until:
            if not alive(server["pid"]):
                break
            if self.answers(name, server):
                return
            time.sleep(0.1)
        tail = (self.directory / f"{name}.log").read_text(errors="replace")[-2000:]
        sys.exit(f"stack: {name} did not come up\n{tail}")

    def answers(self, name, server):
        try:
            if name == "registry":
                url = f"http://127.0.0.1:{server['port']}/apis/ccompat/v7/subjects"
                with urllib.request.urlopen(url, timeout=2) as it:
                    return it.status == 200
            with socket.create_connection(("127.0.0.1", server["port"]), timeout=2) as it:
                if name == "cassandra":
                    # An OPTIONS frame of the native protocol, version 4: answered once the server serves.
                    it.sendall(bytes([4, 0, 0, 0, 5, 0, 0, 0, 0]))
                    return len(it.recv(9)) == 9
                return True
        except OSError:
            return False

    def send(self, name, number):
        try:
            os.kill(self.servers[name]["pid"], number)
        except ProcessLookupError:
            pass

    def end(self, name, number=signal.SIGTERM):
        """Ends one server by its process id, and waits until it is gone."""
        pid = self.servers[name].get("pid")
        if pid is None:
            return
        self.send(name, number)
        if number == signal.SIGTERM:
            self.send(name, signal.SIGCONT)
        until = time.monotonic() + 15
        while alive(pid):
            if time.monotonic() > until:
                self.send(name, signal.SIGKILL)
            time.sleep(0.05)

    def down(self):
        # Nothing here is worth a clean shutdown, and a broker takes seconds for one.
        for name in self.servers:
            self.end(name, signal.SIGKILL)

    def urls(self):
        brokers = [it for name, it in self.servers.items() if name.startswith("kafka-")]
        list_of = lambda port: ",".join(f"127.0.0.1:{it[port]}" for it in brokers)
        return {
            "SYNCWELL_TEST_BUS": f"kafka://{list_of('port')}",
            "SYNCWELL_TEST_BUS_SECURE": f"kafka://{list_of('secure')}",
            "SYNCWELL_TEST_BUS_EXPIRED": f"kafka://{list_of('expired')}",
            "SYNCWELL_TEST_CA": brokers[0]["ca"],
            "SYNCWELL_TEST_CA_EXPIRED": brokers[0]["ca_expired"],
            "SYNCWELL_TEST_STORE": f"scylla://cassandra:cassandra@127.0.0.1:{self.servers['cassandra']['port']}",
            "SYNCWELL_TEST_STORE_CA": self.servers["cassandra"]["ca"],
            "SYNCWELL_TEST_REGISTRY": f"http://127.0.0.1:{self.servers['registry']['port']}/apis/ccompat/v7",
            "SYNCWELL_TEST_STACK": str(self.directory),
        }


def alive(pid):
    try:
        # One of our own that has ended is reaped here; one of an earlier run is not ours.
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def missing():
    """What this machine lacks to start servers."""
    return [it for it in ["java", "mvn", "keytool"] if shutil.which(it) is None]


def run(n_brokers, command):
    given = [it for it in NAMES if os.environ.get(it)]
    if given:
        if len(given) < len(NAMES):
            sys.exit(f"stack: {', '.join(given)} given, but not {', '.join(set(NAMES) - set(given))}; give all or none")
        say("uses the servers that the environment names")
        return subprocess.call(command)
    if missing():
        say(f"no {', '.join(missing())} here: Kafka, Cassandra and the registry are not started; everything that needs "
            "them is LEFT OUT. Install Java 17 and Maven, or give " + ", ".join(NAMES))
        return 1 if os.environ.get("CI") == "true" else subprocess.call(command)
    stack = Stack(TARGET / f"run-{os.getpid()}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    try:
        stack.up(n_brokers)
        return subprocess.call(command, env={**os.environ, **stack.urls()})
    finally:
        # A server that was restarted meanwhile has another process id.
        Stack(stack.directory).down()
        shutil.rmtree(stack.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("run", "up"):
        it = verbs.add_parser(verb)
        it.add_argument("--brokers", type=int, default=1, choices=(1, 3))
        if verb == "run":
            it.add_argument("command", nargs="+")
    verbs.add_parser("down")
    for verb in ("kill", "start", "restart", "stop", "cont"):
        verbs.add_parser(verb).add_argument("server")
    args = parser.parse_args()
    if args.verb == "run":
        sys.exit(run(args.brokers, args.command))
    stack = Stack(Path(os.environ.get("SYNCWELL_TEST_STACK", TARGET / "up")))
    if args.verb == "up":
        if missing():
            sys.exit(f"stack: no {', '.join(missing())} here; install Java 17 and Maven")
        stack.up(args.brokers)
        for name, value in stack.urls().items():
            print(f"export {name}={value}")
    elif args.verb == "down":
        stack.down()
    elif args.server not in stack.servers:
        sys.exit(f"stack: no server is called {args.server}; there are: {', '.join(stack.servers) or 'none'}")
    elif args.verb in ("stop", "cont"):
        stack.send(args.server, signal.SIGSTOP if args.verb == "stop" else signal.SIGCONT)
    else:
        if args.verb in ("kill", "restart"):
            stack.end(args.server, signal.SIGKILL if args.verb == "kill" else signal.SIGTERM)
        if args.verb in ("start", "restart"):
            stack.start(args.server)
            stack.wait(args.server)


if __name__ == "__main__":
    main()
