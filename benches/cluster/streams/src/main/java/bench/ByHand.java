package bench;

import bench.HeartRates.Hour;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.avro.Schema;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.util.Utf8;

/** The same with Avro read and written field by field: what a patient person gets out of the JVM. */
final class ByHand implements UnaryOperator<byte[]> {
    private final int normalizedId;
    private final int heartRate;
    private final Schema methods;
    private final Ids ids = new Ids();
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(4096);
    private final ByteArrayOutputStream content = new ByteArrayOutputStream(1024);
    private BinaryDecoder in;
    private BinaryEncoder to;
    private BinaryEncoder toContent;

    ByHand(Schemas schemas) {
        normalizedId = schemas.normalizedId;
        Schema record = schemas.records.getField("records").schema().getElementType();
        heartRate = record.getField("data_type").schema().getEnumOrdinal("heart_rate");
        methods = record.getField("origin").schema().getField("method").schema();
    }

    @Override
    public byte[] apply(byte[] framed) {
        try {
            in = DecoderFactory.get().binaryDecoder(framed, 5, framed.length - 5, in);
            return normalize();
        } catch (IOException err) {
            throw new UncheckedIOException(err);
        }
    }

    /** Fields are read and written in the order of both schemas; what both have goes straight through. */
    private byte[] normalize() throws IOException {
        begin(out, normalizedId);
        to = EncoderFactory.get().binaryEncoder(out, to);
        Utf8 cause = in.readString(null);
        in.skipString();
        String id = ids.event(cause.toString(), "normalize");
        to.writeString(id);
        to.writeString(cause);
        string();
        string();
        in.readLong();
        to.writeLong(System.currentTimeMillis());
        to.writeEnum(in.readEnum());
        to.writeEnum(in.readEnum());
        Utf8 connection = string();
        string();
        string();
        string();
        if (branch() == 1) {
            to.writeEnum(in.readEnum());
        }
        destinations();

        in.skipString();
        in.readInt();
        in.skipString();
        in.readLong();
        in.skipString();
        if (in.readIndex() != 1) {
            throw new IllegalStateException("the page does not ride in the event");
        }
        ByteBuffer page = in.readBytes(null);
        if (in.readIndex() == 1) {
            in.skipString();
        }
        List<Hour> hours = HeartRates.of(page.array(), page.arrayOffset() + page.position(), page.remaining());
        byte[] records = records(hours, connection);
        to.writeString(id);
        to.writeInt(0);
        to.writeString("application/vnd.confluent.avro");
        to.writeLong(records.length);
        to.writeString("");
        to.writeIndex(1);
        to.writeBytes(records);
        to.writeIndex(0);

        to.writeArrayStart();
        to.setItemCount(1);
        to.startItem();
        to.writeEnum(heartRate);
        to.writeEnum(0);
        to.writeIndex(0);
        to.writeLong(hours.size());
        to.writeArrayEnd();
        to.writeArrayStart();
        to.writeArrayEnd();

        in.readInt();
        to.writeLong(in.readLong());
        if (branch() == 1) {
            to.writeLong(in.readLong());
            to.writeLong(in.readLong());
        }
        to.writeBoolean(in.readBoolean());
        in.skipString();
        to.writeInt(1);
        to.writeEnum(in.readEnum());
        to.flush();
        return out.toByteArray();
    }

    private static void begin(ByteArrayOutputStream out, int id) {
        out.reset();
        out.write(0);
        out.write(id >>> 24);
        out.write(id >>> 16);
        out.write(id >>> 8);
        out.write(id);
    }

    private Utf8 string() throws IOException {
        Utf8 it = in.readString(null);
        to.writeString(it);
        return it;
    }

    private int branch() throws IOException {
        int it = in.readIndex();
        to.writeIndex(it);
        return it;
    }

    private void destinations() throws IOException {
        to.writeArrayStart();
        for (long n = in.readArrayStart(); n != 0; n = in.arrayNext()) {
            to.setItemCount(n);
            for (long it = 0; it < n; it++) {
                to.startItem();
                string();
                string();
                if (branch() == 1) {
                    string();
                }
                to.writeLong(in.readLong());
                to.writeEnum(in.readEnum());
                to.writeEnum(in.readEnum());
            }
        }
        to.writeArrayEnd();
    }

    private byte[] records(List<Hour> hours, Utf8 connection) throws IOException {
        begin(content, Schemas.RECORDS_ID);
        toContent = EncoderFactory.get().binaryEncoder(content, toContent);
        toContent.writeArrayStart();
        toContent.setItemCount(hours.size());
        for (Hour hour : hours) {
            toContent.startItem();
            record(hour, connection, toContent);
        }
        toContent.writeArrayEnd();
        toContent.flush();
        return content.toByteArray();
    }

    private void record(Hour hour, Utf8 connection, BinaryEncoder to) throws IOException {
        to.writeEnum(heartRate);
        to.writeString("google_health");
        to.writeIndex(1);
        to.writeString(connection);
        to.writeString(hour.id());
        to.writeIndex(0);
        to.writeIndex(hour.device() == null ? 0 : 1);
        if (hour.device() != null) {
            to.writeString(hour.device());
        }
        to.writeEnum(methods.getEnumOrdinal(hour.method()));
        to.writeIndex(0);
        to.writeLong(hour.start());
        to.writeLong(hour.end());
        to.writeIndex(hour.offsetSeconds() == null ? 0 : 1);
        if (hour.offsetSeconds() != null) {
            to.writeInt(hour.offsetSeconds());
        }
        to.writeIndex(0);
        to.writeBoolean(false);
        to.writeEnum(0);
        to.writeBoolean(false);
        to.writeIndex(0);
        to.writeBoolean(false);
        to.writeBoolean(false);
        to.writeIndex(2);
        to.writeArrayStart();
        to.setItemCount(hour.offsets().length);
        for (long it : hour.offsets()) {
            to.startItem();
            to.writeLong(it);
        }
        to.writeArrayEnd();
        to.writeArrayStart();
        to.setItemCount(hour.values().length);
        for (double it : hour.values()) {
            to.startItem();
            to.writeDouble(it);
        }
        to.writeArrayEnd();
    }
}
