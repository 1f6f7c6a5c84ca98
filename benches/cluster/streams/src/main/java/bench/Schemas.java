package bench;

import java.io.IOException;
import java.nio.file.Path;
import org.apache.avro.Schema;

/** The published schemas that a page is read and written with, and the registry's id of the written one. */
final class Schemas {
    /** The id of records' schema inside of SyncWell: what is sealed never meets a registry. */
    static final int RECORDS_ID = 8;

    final Schema fetched;
    final Schema normalized;
    final Schema records;
    final int normalizedId;

    Schemas(Path directory, int normalizedId) throws IOException {
        fetched = parse(directory, "fetched");
        normalized = parse(directory, "normalized");
        records = parse(directory, "records");
        this.normalizedId = normalizedId;
    }

    private static Schema parse(Path directory, String name) throws IOException {
        return new Schema.Parser().parse(directory.resolve(name + ".v1.avsc").toFile());
    }
}
