import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends one record a key, as any Java program would: Produce BROKERS TOPIC KEY... */
public class Produce {
    public static void main(String[] args) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (int at = 2; at < args.length; at++) {
                producer.send(new ProducerRecord<>(args[1], args[at], "theirs"));
            }
            producer.flush();
        }
    }
}
