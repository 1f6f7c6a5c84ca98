package bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.UUID;

/** Derived ids, as SyncWell derives them (RFC 9562, version 5). */
final class Ids {
    private static final long NAMESPACE_HIGH = 0x5c1d77e09b1e5c7aL;
    private static final long NAMESPACE_LOW = 0x8a553d1f5e2b90a1L;

    private final MessageDigest digest;

    Ids() {
        try {
            digest = MessageDigest.getInstance("SHA-1");
        } catch (NoSuchAlgorithmException err) {
            throw new IllegalStateException(err);
        }
    }

    /** The id of output 0 that `stage` makes of `cause`. */
    String event(String cause, String stage) {
        digest.reset();
        digest.update(ByteBuffer.allocate(16).putLong(NAMESPACE_HIGH).putLong(NAMESPACE_LOW).array());
        for (String part : new String[] {"event", cause, stage, "0"}) {
            byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
            digest.update(ByteBuffer.allocate(8).putLong(bytes.length).array());
            digest.update(bytes);
        }
        ByteBuffer hash = ByteBuffer.wrap(digest.digest());
        long high = (hash.getLong() & ~0xf000L) | 0x5000L;
        long low = (hash.getLong() & 0x3fffffffffffffffL) | 0x8000000000000000L;
        return new UUID(high, low).toString();
    }
}
