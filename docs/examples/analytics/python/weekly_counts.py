"""Prints weekly counts of `syncwell.analytics` and `syncwell.settled`.

    pip install 'confluent-kafka[avro,schemaregistry]'
    python weekly_counts.py BOOTSTRAP REGISTRY [NAMESPACE]

Reads both topics from their beginning to where they end now. Reads with the schemas that it was written for, which lie
beside it: a topic that no longer keeps their promise ends it with an error (exit code 1).
"""

import sys
import uuid
from collections import Counter
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMAS = Path(__file__).resolve().parent.parent
WAIT_S = 30


def read(topic, schema, bootstrap, registry):
    """Every event that is on a topic now."""
    decode = AvroDeserializer(registry, (SCHEMAS / schema).read_text(encoding="utf-8"))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"weekly-counts-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "isolation.level": "read_committed",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=WAIT_S).topics[topic].partitions
        places = []
        for number in partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=WAIT_S)
            if first < end:
                places.append((TopicPartition(topic, number, first), end))
        consumer.assign([place for place, _ in places])
        ends = {place.partition: end for place, end in places}
        while ends:
            message = consumer.poll(WAIT_S)
            if message is None:
                raise SystemExit(f"nothing came from {topic} for {WAIT_S} s")
            if message.error():
                raise KafkaException(message.error())
            if message.partition() not in ends:
                continue
            yield decode(message.value(), SerializationContext(topic, MessageField.VALUE))
            if message.offset() + 1 >= ends[message.partition()]:
                del ends[message.partition()]
    finally:
        consumer.close()


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    bootstrap, registry = sys.argv[1], SchemaRegistryClient({"url": sys.argv[2]})
    namespace = sys.argv[3] if len(sys.argv) == 4 else "syncwell"

    # A record may come again, change, and go: what counts is its last event. Its key is stable within an epoch.
    records = {}
    for event in read(f"{namespace}.analytics", "analytics.v1.avsc", bootstrap, registry):
        body = event["body"]
        records[body["epoch"], body["record"]] = None if body["action"] == "delete" else body
    weeks = Counter((it["week"], it["data_type"]) for it in records.values() if it)
    for (week, data_type), count in sorted(weeks.items()):
        print(f"analytics {week} {data_type} {count}")

    # One event a sync; one that comes again has the same id.
    syncs = {it["head"]["id"]: it for it in read(f"{namespace}.settled", "settled.v1.avsc", bootstrap, registry)}
    fates = Counter()
    for event in syncs.values():
        week = event["head"]["at"].strftime("%G-W%V")
        for destination in event["body"]["destinations"]:
            for it in destination["counts"]:
                fates[week, it["data_type"], it["fate"]] += it["count"]
    for (week, data_type, fate), count in sorted(fates.items()):
        print(f"settled {week} {data_type} {fate} {count}")


if __name__ == "__main__":
    main()
