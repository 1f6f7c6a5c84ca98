package bench;

import bench.HeartRates.Hour;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** A page to its records with Avro's generic records, as most programs do it. */
final class Generic implements UnaryOperator<byte[]> {
    private final Schemas schemas;
    private final GenericDatumReader<GenericRecord> reader;
    private final GenericDatumWriter<GenericRecord> writer;
    private final GenericDatumWriter<GenericRecord> recordsWriter;
    private final Ids ids = new Ids();
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(4096);
    private BinaryDecoder decoder;
    private BinaryEncoder encoder;

    Generic(Schemas schemas) {
        this.schemas = schemas;
        reader = new GenericDatumReader<>(schemas.fetched);
        writer = new GenericDatumWriter<>(schemas.normalized);
        recordsWriter = new GenericDatumWriter<>(schemas.records);
    }

    @Override
    public byte[] apply(byte[] framed) {
        try {
            decoder = DecoderFactory.get().binaryDecoder(framed, 5, framed.length - 5, decoder);
            return normalize(reader.read(null, decoder));
        } catch (IOException err) {
            throw new UncheckedIOException(err);
        }
    }

    private byte[] normalize(GenericRecord fetched) throws IOException {
        GenericRecord body = (GenericRecord) fetched.get("body");
        GenericRecord head = (GenericRecord) fetched.get("head");
        String cause = head.get("id").toString();
        String id = ids.event(cause, "normalize");
        ByteBuffer page = (ByteBuffer) ((GenericRecord) body.get("page")).get("sealed");
        List<Hour> hours = HeartRates.of(page.array(), page.arrayOffset() + page.position(), page.remaining());
        byte[] records = records(hours, ((GenericRecord) body.get("account")).get("connection"));

        GenericRecord made = new GenericData.Record(schemas.normalized);
        GenericRecord madeHead = copy(head, schemas.normalized.getField("head").schema());
        madeHead.put("id", id);
        madeHead.put("cause", cause);
        madeHead.put("at", System.currentTimeMillis());
        made.put("head", madeHead);
        Schema bodySchema = schemas.normalized.getField("body").schema();
        GenericRecord madeBody = new GenericData.Record(bodySchema);
        for (String field : new String[] {
            "side", "account", "source", "data_type", "destinations", "fetched_at", "window", "last", "lane"
        }) {
            madeBody.put(field, body.get(field));
        }
        GenericRecord payload = new GenericData.Record(bodySchema.getField("records").schema());
        payload.put("carrier", id);
        payload.put("key_version", 0);
        payload.put("content_type", "application/vnd.confluent.avro");
        payload.put("size", (long) records.length);
        payload.put("hash", "");
        payload.put("sealed", ByteBuffer.wrap(records));
        madeBody.put("records", payload);
        madeBody.put("counts", counts(hours.size(), bodySchema.getField("counts").schema()));
        madeBody.put("issues", List.of());
        madeBody.put("mapper_version", 1);
        made.put("body", madeBody);
        return write(writer, made, schemas.normalizedId);
    }

    private static GenericRecord copy(GenericRecord from, Schema schema) {
        GenericRecord made = new GenericData.Record(schema);
        for (Schema.Field field : schema.getFields()) {
            made.put(field.pos(), from.get(field.pos()));
        }
        return made;
    }

    private static List<GenericRecord> counts(int n, Schema list) {
        Schema schema = list.getElementType();
        GenericRecord count = new GenericData.Record(schema);
        count.put("data_type", symbol(schema, "data_type", "heart_rate"));
        count.put("fate", symbol(schema, "fate", "read"));
        count.put("count", (long) n);
        return List.of(count);
    }

    private static GenericData.EnumSymbol symbol(Schema of, String field, String value) {
        return new GenericData.EnumSymbol(of.getField(field).schema(), value);
    }

    private byte[] records(List<Hour> hours, Object connection) throws IOException {
        Schema schema = schemas.records.getField("records").schema().getElementType();
        List<GenericRecord> list = new ArrayList<>(hours.size());
        for (Hour hour : hours) {
            list.add(record(hour, connection, schema));
        }
        GenericRecord records = new GenericData.Record(schemas.records);
        records.put("records", list);
        return write(recordsWriter, records, Schemas.RECORDS_ID);
    }

    private static GenericRecord record(Hour hour, Object connection, Schema schema) {
        GenericRecord made = new GenericData.Record(schema);
        made.put("data_type", symbol(schema, "data_type", "heart_rate"));
        GenericRecord origin = new GenericData.Record(schema.getField("origin").schema());
        origin.put("provider", "google_health");
        origin.put("connection", connection);
        origin.put("record", hour.id());
        origin.put("device", hour.device());
        origin.put("method", symbol(origin.getSchema(), "method", hour.method()));
        made.put("origin", origin);
        GenericRecord time = new GenericData.Record(schema.getField("time").schema());
        time.put("start", hour.start());
        time.put("end", hour.end());
        time.put("offset_seconds", hour.offsetSeconds());
        made.put("time", time);
        made.put("is_daily_total", false);
        made.put("state", symbol(schema, "state", "final"));
        made.put("deleted", false);
        GenericRecord policy = new GenericData.Record(schema.getField("policy").schema());
        policy.put("no_ai", false);
        policy.put("no_combining", false);
        made.put("policy", policy);
        Schema series = schema.getField("body").schema().getTypes().get(2);
        GenericRecord body = new GenericData.Record(series);
        List<Long> offsets = new ArrayList<>(hour.offsets().length);
        List<Double> values = new ArrayList<>(hour.values().length);
        for (int at = 0; at < hour.offsets().length; at++) {
            offsets.add(hour.offsets()[at]);
            values.add(hour.values()[at]);
        }
        body.put("offsets_ms", offsets);
        body.put("values", values);
        made.put("body", body);
        return made;
    }

    private byte[] write(GenericDatumWriter<GenericRecord> with, GenericRecord value, int id) throws IOException {
        out.reset();
        out.write(0);
        out.writeBytes(ByteBuffer.allocate(4).putInt(id).array());
        encoder = EncoderFactory.get().binaryEncoder(out, encoder);
        with.write(value, encoder);
        encoder.flush();
        return out.toByteArray();
    }
}
