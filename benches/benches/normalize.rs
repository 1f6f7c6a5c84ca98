//! A provider's page becomes canonical records: real recordings and pages, from the connectors' own fixtures.

use connectors::files;
use criterion::Throughput;
use engine::provider::{MapperError, Normal, RawPage};
use schemas::data_type::DataType;
use std::hint::black_box;

/// A page and how it is to be read.
struct Case {
    name: &'static str,
    provider: &'static str,
    data_type: Option<DataType>,
    content_type: &'static str,
    body: Vec<u8>,
}

fn main() {
    let mut criterion = benches::criterion();
    let catalog = connectors::catalog();
    let mut group = criterion.benchmark_group("normalize");
    for case in cases() {
        let provider = catalog.get(case.provider).expect("every case names a provider of this build");
        let page =
            RawPage { data_type: case.data_type, content_type: case.content_type, body: &case.body, name: case.name };
        let run = || -> Result<Normal, MapperError> { provider.normalize(black_box(&page)) };
        let n_records = run().map_or(0, |it| it.records.len());
        assert!(n_records > 0, "{} gives no records", case.name);
        group.throughput(Throughput::Bytes(case.body.len() as u64));
        group.bench_function(case.name, |it| it.iter(run));
    }
    group.finish();
    criterion.final_summary();
}

fn cases() -> Vec<Case> {
    let google = |name, data_type, body: &[u8]| Case {
        name,
        provider: "google_health",
        data_type: Some(data_type),
        content_type: "application/json",
        body: body.to_vec(),
    };
    let file =
        |name, content_type, body: Vec<u8>| Case { name, provider: "files", data_type: None, content_type, body };
    vec![
        Case {
            name: "strava_activity_with_streams",
            provider: "strava",
            data_type: Some(DataType::Workout),
            content_type: "application/vnd.syncwell.strava+json",
            body: strava(),
        },
        google(
            "google_heart_rate_page",
            DataType::HeartRate,
            include_bytes!("../../connectors/src/google_health/fixtures/berlin/heart-rate.list.json"),
        ),
        google(
            "google_sleep",
            DataType::Sleep,
            include_bytes!("../../connectors/src/google_health/fixtures/berlin/sleep.list.json"),
        ),
        file(
            "fit_run",
            files::FIT,
            include_bytes!("../../connectors/src/files/fixtures/fit/activity-small-fenix2-run.fit").to_vec(),
        ),
        file("tcx_activity", files::TCX, include_bytes!("../../connectors/src/files/fixtures/tcx/sample.tcx").to_vec()),
        file(
            "apple_health_export",
            files::APPLE_HEALTH,
            include_bytes!("../../connectors/src/files/fixtures/apple_health/paulstaab_export.xml").to_vec(),
        ),
        file("apple_health_fragment_5000", files::APPLE_HEALTH, apple_health(5_000).into_bytes()),
    ]
}

/// A page as the connector puts it together: the activity and its streams as they came.
fn strava() -> Vec<u8> {
    let activity = include_str!("../../connectors/src/strava/fixtures/golden/berlin_plain/activity.json");
    let streams = include_str!("../../connectors/src/strava/fixtures/golden/berlin_plain/streams_key_by_type.json");
    format!("{{\"activities\":[{{\"activity\":{activity},\"streams\":{streams}}}]}}").into_bytes()
}

/// A fragment of an export with that many heart rates, one every five seconds, in the form that a watch's have in
/// `fixtures/apple_health/dogsheep_export.xml`: exports of that size are nobody's to publish.
fn apple_health(n_records: u32) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<HealthData locale=\"en_US\">\n");
    for number in 0..n_records {
        let seconds = number * 5;
        let at = format!("2018-09-10 {:02}:{:02}:{:02} -0700", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let value = 60 + number % 40;
        xml.push_str(&format!(
            " <Record type=\"HKQuantityTypeIdentifierHeartRate\" sourceName=\"Apple Watch\" sourceVersion=\"4.3.1\" \
             device=\"&lt;&lt;HKDevice: 0x282a45810&gt;, name:Apple Watch, manufacturer:Apple, model:Watch&gt;\" \
             unit=\"count/min\" creationDate=\"{at}\" startDate=\"{at}\" endDate=\"{at}\" value=\"{value}\">\n  \
             <MetadataEntry key=\"HKMetadataKeyHeartRateMotionContext\" value=\"0\"/>\n </Record>\n"
        ));
    }
    xml.push_str("</HealthData>\n");
    xml
}
