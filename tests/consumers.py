#!/usr/bin/env python3
"""Runs the readers of docs/examples/analytics against a real Kafka and registry, and holds them to their promise.

    SYNCWELL_TEST_BUS=kafka://… SYNCWELL_TEST_REGISTRY=http://… tests/consumers.py [--events FILE] [--namespace NAMESPACE]

Without servers it says what it left out and ends with 0 (with SYNCWELL_TEST_NEEDED=1 or a namespace, with 1). With a
namespace the topics of that namespace are read as they are: SyncWell itself has published there. Otherwise events that
SyncWell's encoder wrote (FILE has one a line: topic, key, framed bytes in hex; without FILE, the golden files) are
published to topics of its own. Then both readers must count what is there, and both must fail once the topics carry a
schema that breaks the promise: a field removed, a field renamed.
"""

import argparse
import copy
import io
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples" / "analytics"
GOLDEN = ROOT / "schemas" / "tests" / "golden"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOPICS = ["analytics", "settled"]
FRAME_BYTES = 5


def schema(topic):
    return json.loads((ROOT / "schemas" / "avro" / f"{topic}.v1.avsc").read_text(encoding="utf-8"))


def left_out(why, fails=False):
    print(f"consumers: left out: {why}", file=sys.stderr)
    sys.exit(1 if fails or os.environ.get("SYNCWELL_TEST_NEEDED") == "1" else 0)


def golden_events():
    """The golden events, each with a key, and the first of them twice: delivery is at least once."""
    events = []
    for topic in TOPICS:
        for kind in ("full", "minimal", "full"):
            text = (GOLDEN / f"{topic}.v1.{kind}.hex").read_text(encoding="utf-8")
            events.append((topic, "a-key", bytes.fromhex("".join(text.split()))))
    return events


def read_events(path):
    lines = (line.split() for line in Path(path).read_text(encoding="utf-8").splitlines() if line)
    return [(topic, key, bytes.fromhex(text)) for topic, key, text in lines]


def datum(topic, framed):
    return fastavro.schemaless_reader(io.BytesIO(framed[FRAME_BYTES:]), fastavro.parse_schema(schema(topic)))


def expected(events):
    """What the readers are to print, counted by another implementation of Avro."""
    records, syncs, lines = {}, {}, Counter()
    for topic, _, framed in events:
        event = datum(topic, framed)
        body = event["body"]
        if topic == "analytics":
            records[body["epoch"], body["record"]] = None if body["action"] == "delete" else body
        else:
            syncs[event["head"]["id"]] = event
    for it in records.values():
        if it:
            lines[f"analytics {it['week']} {it['data_type']}"] += 1
    for event in syncs.values():
        week = event["head"]["at"].strftime("%G-W%V")
        for it in (count for destination in event["body"]["destinations"] for count in destination["counts"]):
            lines[f"settled {week} {it['data_type']} {it['fate']}"] += it["count"]
    return sorted(f"{what} {count}" for what, count in lines.items())


def register(registry, subject, definition):
    """The id of a schema that is then under this subject."""
    body = json.dumps({"schema": json.dumps(definition), "schemaType": "AVRO"}).encode()
    headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
    request = urllib.request.Request(f"{registry}/subjects/{subject}/versions", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["id"]


def publish(bootstrap, registry, namespace, events, definitions):
    """Makes the topics of a namespace and publishes events there, under the registry's ids of these schemas."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(f"{namespace}.{topic}", 3, 1) for topic in TOPICS]).values():
        made.result(30)
    ids = {topic: register(registry, f"{namespace}.{topic}-value", definitions[topic]) for topic in TOPICS}
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True})
    for topic, key, framed in events:
        value = b"\0" + ids[topic].to_bytes(4, "big") + framed[FRAME_BYTES:]
        producer.produce(f"{namespace}.{topic}", value, key)
    if producer.flush(30):
        raise SystemExit("consumers: not everything was published")


def drop(bootstrap, registry, namespace):
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": bootstrap})
    for topic, gone in admin.delete_topics([f"{namespace}.{topic}" for topic in TOPICS]).items():
        gone.result(30)
        request = urllib.request.Request(f"{registry}/subjects/{topic}-value", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()


def body_fields(definition):
    return definition["fields"][1]["type"]["fields"]


def broken(topic, events, how):
    """A schema that breaks the promise, and the same events written with it."""
    definition = copy.deepcopy(schema(topic))
    fields, name = body_fields(definition), "week" if topic == "analytics" else "destinations"
    field = next(it for it in fields if it["name"] == name)
    if how == "renamed":
        field["name"] = f"{name}_of_it"
    else:
        fields.remove(field)
    changed = []
    for it, key, framed in events:
        if it == topic:
            event = datum(topic, framed)
            event["body"][f"{name}_of_it"] = event["body"].pop(name)
            out = io.BytesIO(framed[:FRAME_BYTES])
            out.seek(FRAME_BYTES)
            fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(definition)), event)
            framed = out.getvalue()
        changed.append((it, key, framed))
    return definition, changed


def readers(bootstrap, registry, namespace):
    """How each reader is run."""
    script = EXAMPLES / "python" / "weekly_counts.py"
    yield "python", [sys.executable, str(script), bootstrap, registry, namespace]
    if not shutil.which("java") or not shutil.which("mvn"):
        return
    jars = TARGET / "consumers" / "jars"
    if not (jars / ".complete").exists():
        pom = EXAMPLES / "java" / "pom.xml"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        subprocess.run(["mvn", "-q", "-B", "-f", str(pom), *goal], check=True, stdout=sys.stderr)
        (jars / ".complete").touch()
    java = ["java", "-cp", f"{jars}/*", str(EXAMPLES / "java" / "WeeklyCounts.java")]
    yield "java", [*java, bootstrap, registry, str(EXAMPLES), namespace]


def count(bootstrap, registry, namespace):
    """What each reader prints; `None` if it ended with an error."""
    for name, command in readers(bootstrap, registry, namespace):
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        yield name, sorted(done.stdout.splitlines()) if done.returncode == 0 else None, done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events")
    parser.add_argument("--namespace")
    asked = parser.parse_args()
    bus, registry = os.environ.get("SYNCWELL_TEST_BUS"), os.environ.get("SYNCWELL_TEST_REGISTRY")
    if not bus or not registry:
        left_out("readers of analytics: SYNCWELL_TEST_BUS and SYNCWELL_TEST_REGISTRY name no servers", asked.namespace)
    bootstrap = bus.removeprefix("kafka://")
    for topic in TOPICS:
        pinned = json.loads((EXAMPLES / f"{topic}.v1.avsc").read_text(encoding="utf-8"))
        if pinned != schema(topic):
            raise SystemExit(f"consumers: the examples' copy of {topic}.v1.avsc is not the published one")
    events = read_events(asked.events) if asked.events else golden_events()
    wanted, failed = expected(events), []
    own = f"consumers-{uuid.uuid4().hex[:8]}"
    namespaces = []
    try:
        namespace = asked.namespace or own
        if not asked.namespace:
            namespaces.append(own)
            publish(bootstrap, registry, own, events, {topic: schema(topic) for topic in TOPICS})
        n_readers = 0
        for name, printed, said in count(bootstrap, registry, namespace):
            n_readers += 1
            if printed != wanted:
                failed.append(f"{name} counted {printed}, not {wanted}: {said}")
        for topic in TOPICS:
            for how in ("renamed", "removed"):
                definition, changed = broken(topic, events, how)
                namespace = f"{own}-{topic}-{how}"
                namespaces.append(namespace)
                definitions = {it: definition if it == topic else schema(it) for it in TOPICS}
                publish(bootstrap, registry, namespace, changed, definitions)
                for name, printed, _ in count(bootstrap, registry, namespace):
                    if printed is not None:
                        failed.append(f"{name} did not notice a field that was {how} in {topic}")
    finally:
        for namespace in namespaces:
            drop(bootstrap, registry, namespace)
    for it in failed:
        print(f"consumers: {it}", file=sys.stderr)
    if failed:
        sys.exit(1)
    if n_readers < 2:
        print("consumers: left out: the reader in Java, which needs java and mvn", file=sys.stderr)
    print(f"{n_readers} readers counted {len(events)} events alike ({len(wanted)} counts), and noticed 4 broken schemas")


if __name__ == "__main__":
    try:
        import confluent_kafka  # noqa: F401
        import fastavro
    except ImportError as err:
        left_out(f"readers of analytics: {err.name} is missing: run `make foreign` first and use target/venv")
    main()
