//! The mapper against recordings of the real service and against golden truth.

use super::{at, json, normalize, workout};
use crate::strava::{marker, wire};
use proptest::prelude::*;
use schemas::{
    record::{Body, Policy, RecordingMethod},
    workout::Sport,
};
use serde_json::{Value, json as value};
use std::collections::BTreeMap;

const BERLIN: [&str; 4] = [
    include_str!("../fixtures/golden/berlin_plain/activity.json"),
    include_str!("../fixtures/golden/berlin_plain/streams_key_by_type.json"),
    include_str!("../fixtures/golden/berlin_plain/athlete_activities.json"),
    include_str!("../fixtures/golden/berlin_plain/ground_truth.json"),
];
const NEW_YORK: [&str; 4] = [
    include_str!("../fixtures/golden/newyork_plain/activity.json"),
    include_str!("../fixtures/golden/newyork_plain/streams_key_by_type.json"),
    include_str!("../fixtures/golden/newyork_plain/athlete_activities.json"),
    include_str!("../fixtures/golden/newyork_plain/ground_truth.json"),
];
const RECORDED: &str = include_str!("../fixtures/activity.json");
const RIDE: &str = include_str!("../fixtures/dblock-ride.json");

#[track_caller]
fn check_golden([activity, streams, _, truth]: [&str; 4], offset_seconds: i32) {
    let page = format!("{{\"activities\":[{{\"activity\":{activity},\"streams\":{streams}}}]}}");
    let normal = normalize(page.as_bytes()).unwrap();
    assert_eq!(normal.issues, []);
    let [record] = &normal.records[..] else { panic!("one record") };
    let (truth, run) = (json(truth), workout(record));
    let expected = &truth["workout"];
    let number = |name: &str| expected[name].as_f64().unwrap();
    // Strava gives whole seconds, a tenth of a metre, whole kilocalories and the greatest heart rate: all exact.
    assert_eq!(run.sport, Sport::Running);
    assert_eq!(record.time.start, at(expected["start_utc"].as_str().unwrap()));
    assert_eq!(record.time.end, at(expected["end_utc"].as_str().unwrap()));
    assert_eq!(record.time.offset_seconds, Some(offset_seconds));
    assert_eq!(record.time.zone.as_deref(), truth["time_zone"].as_str());
    assert_eq!(run.distance_m, Some(number("distance_m")));
    assert_eq!(run.energy_kcal, Some(number("calories_kcal")));
    assert_eq!(run.heart_rate_max, Some(number("max_hr")));
    assert_eq!(run.streams.offsets_ms.len() as f64, number("samples"));
    assert_eq!(run.streams.heart_rate.n_measured() as f64, number("samples"));
    assert_eq!(run.streams.latitude.n_measured(), run.streams.longitude.n_measured());
    assert_eq!(run.streams.heart_rate.0.iter().copied().reduce(f64::max), Some(number("max_hr")));
    // The mean has a decimal here and none in the truth: within 1 /min.
    assert!((run.heart_rate_mean.unwrap() - number("avg_hr")).abs() <= 1.0);
    assert_eq!(record.policy, Policy { retention_days: None, no_ai: true, no_combining: true });
    assert_eq!(record.origin.device.as_deref(), Some("Garmin Forerunner 255"));
}

#[test]
fn a_golden_workout_is_the_truth_it_was_made_from() {
    check_golden(BERLIN, 7_200);
    check_golden(NEW_YORK, -14_400);
}

#[test]
fn a_bare_listing_gives_the_same_workout_without_energy_and_streams() {
    for [activity, _, listing, _] in [BERLIN, NEW_YORK] {
        let listed = normalize(listing.as_bytes()).unwrap().records.remove(0);
        let whole = normalize(activity.as_bytes()).unwrap().records.remove(0);
        assert_eq!(listed.time, whole.time);
        assert_eq!(workout(&listed).distance_m, workout(&whole).distance_m);
        assert_eq!(workout(&listed).energy_kcal, None);
        assert!(workout(&whole).energy_kcal.is_some());
    }
}

#[test]
fn all_recorded_pages_are_read_and_their_totals_are_those_counted_without_the_mapper() {
    let truth = json(include_str!("../fixtures/listing_totals.json"));
    let pages = json(include_str!("../fixtures/all_athlete_activities.json"));
    let pages = pages.as_array().unwrap();
    let mut records = Vec::new();
    for page in pages {
        let normal = normalize(page.to_string().as_bytes()).unwrap();
        assert_eq!(normal.issues, []);
        records.extend(normal.records);
    }
    let sum = |of: &dyn Fn(&schemas::record::Record) -> i64| records.iter().map(of).sum::<i64>();
    let tenths = |value: Option<f64>| (value.unwrap_or(0.0) * 10.0).round() as i64;
    let count = |sport: Sport| records.iter().filter(|it| workout(it).sport == sport).count() as i64;
    assert_eq!(truth["pages"], pages.len());
    assert_eq!(truth["activities"], records.len());
    assert_eq!(truth["ids"], sum(&|it| it.origin.record.parse().unwrap()));
    assert_eq!(truth["start_seconds"], sum(&|it| it.time.start.seconds()));
    assert_eq!(truth["elapsed_seconds"], sum(&|it| it.time.end.seconds() - it.time.start.seconds()));
    assert_eq!(truth["moving_seconds"], sum(&|it| workout(it).moving_ms.unwrap() / 1000));
    assert_eq!(truth["offset_seconds"], sum(&|it| it.time.offset_seconds.unwrap().into()));
    assert_eq!(truth["distance_decimetres"], sum(&|it| tenths(workout(it).distance_m)));
    assert_eq!(truth["with_distance"], sum(&|it| workout(it).distance_m.is_some().into()));
    assert_eq!(truth["with_heart_rate"], sum(&|it| workout(it).heart_rate_mean.is_some().into()));
    assert_eq!(truth["heart_rate_tenths"], sum(&|it| tenths(workout(it).heart_rate_mean)));
    assert_eq!(truth["manual"], sum(&|it| (it.origin.method == RecordingMethod::Manual).into()));
    let mut zones: BTreeMap<String, u64> = BTreeMap::new();
    records.iter().for_each(|it| *zones.entry(it.time.zone.clone().unwrap()).or_default() += 1);
    assert_eq!(truth["zones"], value!(zones));
    let types = &truth["sport_types"];
    let number = |it: &Value| it.as_i64().unwrap();
    assert_eq!(count(Sport::TreadmillRunning), number(&truth["runs_on_trainer"]));
    assert_eq!(count(Sport::Running), number(&types["Run"]) - number(&truth["runs_on_trainer"]));
    assert_eq!(count(Sport::TrailRunning), number(&types["TrailRun"]));
    assert_eq!(count(Sport::OpenWaterSwimming), number(&truth["swims_with_place"]));
    assert_eq!(count(Sport::PoolSwimming), number(&types["Swim"]) - number(&truth["swims_with_place"]));
    assert_eq!(count(Sport::AlpineSkiing), number(&types["AlpineSki"]) + number(&types["BackcountrySki"]));
    assert_eq!(count(Sport::IndoorCycling), number(&truth["rides_on_trainer"]));
    assert_eq!(count(Sport::Other), number(&types["Workout"]));
}

#[test]
fn a_recorded_marathon_keeps_its_words_laps_and_energy() {
    let normal = normalize(RECORDED.as_bytes()).unwrap();
    assert_eq!(normal.issues, []);
    let record = &normal.records[0];
    let run = workout(record);
    assert_eq!(record.origin.record, "1946417534");
    assert_eq!(record.origin.device.as_deref(), Some("Fitbit Ionic"));
    assert_eq!(record.time.start, at("2018-11-04T14:53:46Z"));
    assert_eq!((record.time.end.0 - record.time.start.0) / 1000, 13_333);
    assert_eq!(run.moving_ms, Some(13_085_000));
    assert_eq!((run.distance_m, run.energy_kcal, run.ascent_m), (Some(42_268.1), Some(3_760.0), Some(270.9)));
    assert!(run.notes.as_deref().unwrap().contains("mile 9. \r\n\r\nI am"));
    let [lap] = &run.laps[..] else { panic!("one lap") };
    assert_eq!((lap.offset_ms, lap.elapsed_ms, lap.distance_m), (0, 13_306_000, Some(42_882.9)));
}

#[test]
fn streams_without_time_are_left_out_and_that_is_said() {
    let streams = include_str!("../fixtures/activity_streams.json");
    let page = format!("{{\"activities\":[{{\"activity\":{RECORDED},\"streams\":{streams}}}]}}");
    let normal = normalize(page.as_bytes()).unwrap();
    assert!(workout(&normal.records[0]).streams.offsets_ms.is_empty());
    assert_eq!(
        normal.issues.iter().map(|it| (it.code, it.at.as_str())).collect::<Vec<_>>(),
        [("no_time", "1946417534")]
    );
}

#[test]
fn the_offset_is_taken_from_the_local_start_where_strava_did_not_give_it() {
    let old = normalize(include_str!("../fixtures/stravalib-activity.3.json").as_bytes()).unwrap();
    assert_eq!(old.records[0].time.offset_seconds, Some(-28_800));
    assert_eq!(old.records[0].time.zone.as_deref(), Some("America/Los_Angeles"));
}

#[test]
fn cadence_counts_both_feet_and_power_only_where_there_is_a_meter() {
    let ride = normalize(RIDE.as_bytes()).unwrap();
    assert_eq!(workout(&ride.records[0]).cadence_mean, Some(78.5));
    assert_eq!(workout(&ride.records[0]).power_mean, Some(185.5));
    let mut estimated = json(RIDE);
    estimated["device_watts"] = value!(false);
    assert_eq!(workout(&normalize(estimated.to_string().as_bytes()).unwrap().records[0]).power_mean, None);
    let mut run = json(RIDE);
    run["sport_type"] = value!("Run");
    assert_eq!(workout(&normalize(run.to_string().as_bytes()).unwrap().records[0]).cadence_mean, Some(157.0));
}

#[test]
fn an_activity_made_by_hand_says_so_and_has_no_energy_where_strava_writes_zero() {
    let made = normalize(include_str!("../fixtures/create_activity.json").as_bytes()).unwrap();
    assert_eq!(made.records[0].origin.method, RecordingMethod::Manual);
    assert_eq!(workout(&made.records[0]).energy_kcal, Some(117.0));
    let changed = json(include_str!("../fixtures/update_activity.json"));
    let changed = normalize(changed["json"].to_string().as_bytes()).unwrap();
    assert_eq!(workout(&changed.records[0]).energy_kcal, None);
    assert_eq!(workout(&changed.records[0]).notes.as_deref(), Some("Updated test strava-ruby-client activity."));
}

const ITEM: &str = "6f0c0c2e-0d5f-5b1e-9a53-0a1b2c3d4e5f";

#[track_caller]
fn check_marker(fields: &Value, marker: Option<&str>, notes: Option<&str>) {
    let mut activity = json(RIDE);
    for (name, value) in fields.as_object().unwrap() {
        activity[name] = value.clone();
    }
    let record = normalize(activity.to_string().as_bytes()).unwrap().records.remove(0);
    assert_eq!(record.origin.marker.as_deref(), marker, "{fields}");
    assert_eq!(workout(&record).notes.as_deref(), notes, "{fields}");
}

#[test]
fn our_mark_is_found_in_the_external_id_or_below_the_notes_and_is_no_part_of_them() {
    check_marker(
        &value!({ "external_id": format!("syncwell-{ITEM}.fit"), "description": "mine" }),
        Some(ITEM),
        Some("mine"),
    );
    check_marker(&value!({ "description": format!("mine\n\nsyncwell:{ITEM}") }), Some(ITEM), Some("mine"));
    check_marker(&value!({ "description": format!("mine\r\n\r\nsyncwell:{ITEM}\r\n") }), Some(ITEM), Some("mine"));
    check_marker(&value!({ "description": format!("syncwell:{ITEM}") }), Some(ITEM), None);
    check_marker(&value!({ "description": "syncwell: is a nice program" }), None, Some("syncwell: is a nice program"));
    check_marker(&value!({ "external_id": "syncwell-run.fit" }), None, None);
    let bare = ITEM.replace('-', "");
    check_marker(&value!({ "external_id": format!("syncwell-{bare}.fit") }), None, None);
    check_marker(&value!({ "external_id": null }), None, None);
}

#[test]
fn what_is_signed_is_split_again() {
    let item = schemas::id::ItemId(ITEM.parse().unwrap());
    for notes in [None, Some("a"), Some("a\n\nb"), Some("ä\n")] {
        let (split, marker) = marker::split(&marker::signed(notes, item));
        assert_eq!((split.as_deref(), marker.as_deref()), (notes.map(str::trim_end), Some(ITEM)));
    }
    assert_eq!(marker::of_external_id(&marker::external_id(item)).as_deref(), Some(ITEM));
}

#[test]
fn an_id_that_is_gone_is_a_tombstone() {
    let normal = normalize(br#"{"activities":[{"id":17,"deleted":true}]}"#).unwrap();
    assert!(normal.records[0].deleted);
    assert_eq!(normal.records[0].origin.record, "17");
    assert!(matches!(normal.records[0].body, Body::Nothing(_)));
}

#[test]
fn a_page_of_something_else_is_refused_without_its_values() {
    let pages = [
        "",
        "<html>Down for maintenance</html>",
        "17",
        "\"secret\"",
        "{}",
        "{\"activities\":17}",
        "{\"id\":1,\"username\":\"secret\"}",
        "[{\"id\":1,\"lap_index\":1,\"elapsed_time\":60}]",
        "[17]",
        "{\"message\":\"Authorization Error\",\"errors\":[]}",
    ];
    for page in pages {
        let err = normalize(page.as_bytes()).unwrap_err();
        assert!(err.starts_with("expected a"), "{err}");
        assert!(!err.contains("secret"), "{err}");
    }
    assert_eq!(normalize(b"[]").unwrap().records, []);
}

#[track_caller]
fn check_issue(field: &str, bad: &Value, n_records: usize, codes: &[&str]) {
    let (good, mut other) = (json(RECORDED), json(RIDE));
    other[field] = bad.clone();
    let normal = normalize(value!([good, other]).to_string().as_bytes()).unwrap();
    assert_eq!(normal.records.len(), n_records, "{field} {bad}");
    assert_eq!(normal.issues.iter().map(|it| it.code).collect::<Vec<_>>(), codes, "{field} {bad}");
}

#[test]
fn one_bad_activity_among_good_ones_is_an_issue() {
    check_issue("start_date", &Value::Null, 1, &["no_time"]);
    check_issue("start_date", &value!("yesterday"), 1, &["no_time"]);
    check_issue("elapsed_time", &value!(-5), 1, &["out_of_range"]);
    check_issue("elapsed_time", &value!(1e300), 1, &["out_of_range"]);
    check_issue("id", &Value::Null, 1, &["malformed"]);
    check_issue("utc_offset", &value!(1e9), 2, &["no_time_zone"]);
    check_issue("average_heartrate", &value!(900), 2, &["out_of_range"]);
    check_issue("distance", &value!(-1), 2, &["out_of_range"]);
    check_issue("sport_type", &value!("Quidditch"), 2, &["unknown_type"]);
    check_issue("distance", &value!("28099"), 2, &[]);
    check_issue("laps", &value!([{ "elapsed_time": 5 }, 17]), 2, &["no_time", "no_time"]);
}

#[test]
fn an_unknown_sport_is_other_under_its_own_name() {
    let mut activity = json(RIDE);
    activity["sport_type"] = value!("Quidditch");
    let normal = normalize(activity.to_string().as_bytes()).unwrap();
    assert_eq!(workout(&normal.records[0]).sport, Sport::Other);
    assert_eq!(workout(&normal.records[0]).sport_detail.as_deref(), Some("Quidditch"));
}

#[test]
fn uneven_and_impossible_streams_are_cut_to_what_is_sound() {
    let streams = value!({
        "time": { "data": [0, 10, 10, 20, null, 30] },
        "heartrate": { "data": [100, 101, 102, 9_999, 104, 105] },
        "latlng": { "data": [[1.0, 2.0], null, [3.0, 4.0], [5.0], [7.0, 8.0], [95.0, 9.0]] },
        "altitude": { "data": [1, 2] },
    });
    let page = value!({ "activities": [{ "activity": json(RIDE), "streams": streams }] });
    let normal = normalize(page.to_string().as_bytes()).unwrap();
    let streams = &workout(&normal.records[0]).streams;
    assert_eq!(streams.offsets_ms, [0, 10_000, 20_000, 30_000]);
    assert_eq!([0, 1, 2, 3].map(|it| streams.heart_rate.get(it)), [Some(100.0), Some(101.0), None, Some(105.0)]);
    assert_eq!([0, 1, 2, 3].map(|it| streams.latitude.get(it)), [Some(1.0), None, Some(5.0), None]);
    assert!(streams.altitude.is_empty());
    let codes: Vec<&str> = normal.issues.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["no_time", "out_of_range", "malformed", "out_of_range"]);
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(at in 0_usize..4_000, byte: u8, cut in 0_usize..8_000) {
        let page = format!("{{\"activities\":[{{\"activity\":{RIDE},\"streams\":{}}}]}}", BERLIN[1]);
        let mut bytes = page.into_bytes();
        bytes[at] = byte;
        drop(normalize(&bytes));
        bytes.truncate(cut);
        drop(normalize(&bytes));
    }

    #[test]
    fn mutated_fields_never_panic_and_never_give_a_record_with_uneven_streams(
        field in 0_usize..60, stream in 0_usize..7, number in any::<f64>(), whole in any::<i64>(), kind in 0_u8..6,
    ) {
        let bad = match kind {
            0 => Value::Null,
            1 => value!(number),
            2 => value!(whole),
            3 => value!(whole.to_string()),
            4 => value!([whole, number, null]),
            _ => value!({ "data": [whole] }),
        };
        let (mut activity, mut streams) = (json(RECORDED), json(BERLIN[1]));
        if let Some((_, it)) = activity.as_object_mut().unwrap().iter_mut().nth(field) {
            *it = bad.clone();
        }
        if let Some((_, it)) = streams.as_object_mut().unwrap().iter_mut().nth(stream) {
            *it = value!({ "data": [bad.clone(), 1, bad] });
        }
        let page = value!({ "activities": [{ "activity": activity, "streams": streams }] });
        let normal = normalize(page.to_string().as_bytes()).unwrap();
        for record in &normal.records {
            let streams = &workout(record).streams;
            prop_assert!(streams.offsets_ms.windows(2).all(|it| it[0] < it[1]));
            for column in [&streams.latitude, &streams.longitude, &streams.heart_rate, &streams.distance] {
                prop_assert!(column.is_empty() || column.0.len() == streams.offsets_ms.len());
            }
            prop_assert!(record.time.start <= record.time.end);
        }
    }

    #[test]
    fn an_id_is_digits_and_nothing_else(text in "[0-9/.?a]{0,6}") {
        prop_assert_eq!(wire::parse_id(&text).is_some(), !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit()));
    }
}
