import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.IsoFields;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints weekly counts of `syncwell.analytics` and `syncwell.settled`.
 *
 * <pre>
 * mvn dependency:copy-dependencies -DoutputDirectory=jars
 * java -cp 'jars/*' WeeklyCounts.java BOOTSTRAP REGISTRY DIRECTORY_OF_SCHEMAS [NAMESPACE]
 * </pre>
 *
 * Reads both topics from their beginning to where they end now, with the schemas that it was written for: a topic that
 * no longer keeps their promise ends it with an error (exit code 1).
 */
public class WeeklyCounts {
    static final Duration WAIT = Duration.ofSeconds(30);

    /** Reads Confluent framing: a zero byte, the id of the writer's schema, the datum. */
    static class Values {
        final HttpClient http = HttpClient.newHttpClient();
        final Map<Integer, Schema> written = new HashMap<>();
        final String registry;
        final Schema wanted;

        Values(String registry, Schema wanted) {
            this.registry = registry;
            this.wanted = wanted;
        }

        GenericRecord read(byte[] value) throws IOException, InterruptedException {
            ByteBuffer frame = ByteBuffer.wrap(value);
            if (frame.get() != 0) throw new IOException("no magic byte");
            Schema writer = writer(frame.getInt());
            var decoder = DecoderFactory.get().binaryDecoder(value, frame.position(), frame.remaining(), null);
            return new GenericDatumReader<GenericRecord>(writer, wanted).read(null, decoder);
        }

        Schema writer(int id) throws IOException, InterruptedException {
            if (!written.containsKey(id)) {
                var request = HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build();
                var answer = http.send(request, BodyHandlers.ofString());
                if (answer.statusCode() != 200) throw new IOException("the registry does not know schema " + id);
                String text = new ObjectMapper().readTree(answer.body()).get("schema").asText();
                written.put(id, new Schema.Parser().parse(text));
            }
            return written.get(id);
        }
    }

    static List<GenericRecord> read(String topic, String bootstrap, Values values) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "isolation.level", "read_committed",
                "enable.auto.commit", false);
        List<GenericRecord> events = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            var partitions = consumer.partitionsFor(topic, WAIT).stream()
                    .map(it -> new TopicPartition(topic, it.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions, WAIT);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                var batch = consumer.poll(WAIT);
                if (batch.isEmpty()) throw new IOException("nothing came from " + topic);
                for (var message : batch) events.add(values.read(message.value()));
            }
        }
        return events;
    }

    static GenericRecord part(GenericRecord event, String name) {
        return (GenericRecord) event.get(name);
    }

    static String week(long millis) {
        var day = Instant.ofEpochMilli(millis).atOffset(ZoneOffset.UTC);
        return String.format("%d-W%02d", day.get(IsoFields.WEEK_BASED_YEAR), day.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR));
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 3) {
            System.err.println("usage: WeeklyCounts BOOTSTRAP REGISTRY DIRECTORY_OF_SCHEMAS [NAMESPACE]");
            System.exit(2);
        }
        String bootstrap = args[0], registry = args[1], namespace = args.length > 3 ? args[3] : "syncwell";
        var analytics = new Values(registry, new Schema.Parser().parse(Path.of(args[2], "analytics.v1.avsc").toFile()));
        var settled = new Values(registry, new Schema.Parser().parse(Path.of(args[2], "settled.v1.avsc").toFile()));

        // A record may come again, change, and go: what counts is its last event.
        Map<String, GenericRecord> records = new HashMap<>();
        for (var event : read(namespace + ".analytics", bootstrap, analytics)) {
            var body = part(event, "body");
            records.put(body.get("epoch") + " " + body.get("record"), body);
        }
        Map<String, Long> counts = new TreeMap<>();
        for (var it : records.values()) {
            if (it.get("action").toString().equals("delete")) continue;
            counts.merge("analytics " + it.get("week") + " " + it.get("data_type"), 1L, Long::sum);
        }

        // One event a sync; one that comes again has the same id.
        Map<String, GenericRecord> syncs = new HashMap<>();
        for (var event : read(namespace + ".settled", bootstrap, settled)) {
            syncs.put(part(event, "head").get("id").toString(), event);
        }
        for (var event : syncs.values()) {
            String week = week((long) part(event, "head").get("at"));
            for (var destination : (List<?>) part(event, "body").get("destinations")) {
                for (var each : (List<?>) ((GenericRecord) destination).get("counts")) {
                    var it = (GenericRecord) each;
                    String what = "settled " + week + " " + it.get("data_type") + " " + it.get("fate");
                    counts.merge(what, (long) it.get("count"), Long::sum);
                }
            }
        }
        counts.forEach((what, count) -> System.out.println(what + " " + count));
    }
}
