package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * Google's page of heart rates, mapped as SyncWell maps it: samples by the hour, checked, in order of time. A sample
 * that SyncWell would leave out with an issue ends the program: the bench has none.
 */
final class HeartRates {
    private static final long HOUR_MS = 3_600_000;
    private static final ObjectReader JSON = new ObjectMapper().reader();

    private HeartRates() {}

    /** One sample. */
    private record Sample(double value, Integer offsetSeconds, String device, String method) {}

    /** The samples of an hour. */
    record Hour(long start, Integer offsetSeconds, String device, String method, long[] offsets, double[] values) {
        String id() {
            return "heart_rate:" + Instant.ofEpochMilli(start);
        }

        long end() {
            return start + HOUR_MS;
        }
    }

    /** The hours of a page, earliest first. */
    static List<Hour> of(byte[] page, int from, int length) {
        JsonNode top;
        try {
            top = JSON.readTree(page, from, length);
        } catch (IOException err) {
            throw new UncheckedIOException(err);
        }
        TreeMap<Long, TreeMap<Long, Sample>> hours = new TreeMap<>();
        for (JsonNode point : top.path("dataPoints")) {
            JsonNode inner = point.get("heartRate");
            JsonNode time = inner.get("sampleTime");
            long at = OffsetDateTime.parse(time.get("physicalTime").textValue()).toInstant().toEpochMilli();
            double value = Double.parseDouble(inner.get("beatsPerMinute").asText());
            if (!(value >= 15 && value <= 350)) {
                throw new IllegalStateException("no living person has such a heart rate");
            }
            JsonNode source = point.path("dataSource");
            String device = source.path("device").path("displayName").asText("");
            Sample sample = new Sample(
                    value, offset(time.path("utcOffset").asText("")), device.isEmpty() ? null : device,
                    method(source.path("recordingMethod").asText("")));
            var hour = hours.computeIfAbsent(Math.floorDiv(at, HOUR_MS), it -> new TreeMap<>());
            if (hour.putIfAbsent(at, sample) != null) {
                throw new IllegalStateException("two samples at one moment");
            }
        }
        List<Hour> made = new ArrayList<>(hours.size());
        hours.forEach((number, samples) -> made.add(hour(number * HOUR_MS, samples)));
        return made;
    }

    private static Hour hour(long start, TreeMap<Long, Sample> samples) {
        long[] offsets = new long[samples.size()];
        double[] values = new double[samples.size()];
        String device = null;
        int at = 0;
        for (var it : samples.entrySet()) {
            offsets[at] = it.getKey() - start;
            values[at++] = it.getValue().value();
            device = device == null ? it.getValue().device() : device;
        }
        Sample first = samples.firstEntry().getValue();
        return new Hour(start, first.offsetSeconds(), device, first.method(), offsets, values);
    }

    private static Integer offset(String text) {
        return text.isEmpty() ? null : (int) Math.round(Double.parseDouble(text.substring(0, text.length() - 1)));
    }

    private static String method(String text) {
        return switch (text) {
            case "MANUAL" -> "manual";
            case "PASSIVELY_MEASURED" -> "automatic";
            case "ACTIVELY_MEASURED" -> "active";
            case "DERIVED" -> "derived";
            default -> "unknown";
        };
    }
}
