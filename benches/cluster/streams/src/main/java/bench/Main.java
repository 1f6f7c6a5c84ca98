package bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Kafka Streams between two topics: Main WHAT BROKERS GROUP FROM TO SCHEMAS ID STATE, where WHAT is relay (bytes in,
 * bytes out), normalize (Avro's generic records, as most programs do it) or tuned (Avro by hand). SCHEMAS is the
 * directory of the published schemas, ID the registry's id of what is written.
 *
 * <p>Its settings are those of Kafka Streams, but for two threads, lz4, and where a new group begins.
 */
public final class Main {
    private Main() {}

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, args[2]);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, args[7]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");

        StreamsBuilder builder = new StreamsBuilder();
        var bytes = Serdes.ByteArray();
        var pages = builder.stream(args[3], Consumed.with(bytes, bytes));
        switch (args[0]) {
            case "relay" -> pages.to(args[4], Produced.with(bytes, bytes));
            case "normalize", "tuned" -> {
                Schemas schemas = new Schemas(Path.of(args[5]), Integer.parseInt(args[6]));
                boolean isTuned = args[0].equals("tuned");
                // Readers and writers are kept from record to record, so every thread has its own.
                ThreadLocal<UnaryOperator<byte[]>> normalize =
                        ThreadLocal.withInitial(() -> isTuned ? new ByHand(schemas) : new Generic(schemas));
                pages.mapValues(page -> normalize.get().apply(page)).to(args[4], Produced.with(bytes, bytes));
            }
            default -> throw new IllegalArgumentException("relay, normalize or tuned, not " + args[0]);
        }
        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.setUncaughtExceptionHandler(err -> {
            err.printStackTrace();
            Runtime.getRuntime().halt(1);
            return null;
        });
        streams.start();
        // Whoever started this program ends it by the end of its input, or is gone.
        System.in.readAllBytes();
        streams.close(Duration.ofSeconds(20));
    }
}
