//! Tables: a record, what the person wants, and what becomes of it.

use super::{Applied, Context, FIELDS, LeftOut, Policies, When, apply, rank, times::ClockTime};
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    id::ConnectionId,
    record::{Body, Nothing, Origin, Policy, Quantity, Record, RecordState, RecordingMethod, Span},
    time::Instant,
    workout::{Sport, Workout},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

const HERE: ConnectionId = ConnectionId(Uuid::from_u128(1));
const THERE: ConnectionId = ConnectionId(Uuid::from_u128(2));

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// Half an hour on a Saturday morning in Berlin, 5.2 km on a trail, on a watch.
fn run() -> Record {
    let start = at("2026-06-20T06:00:00Z");
    let workout = Workout {
        sport: Sport::TrailRunning,
        sport_detail: Some("TrailRun".into()),
        title: Some("Morning run".into()),
        notes: Some("slow #private".into()),
        distance_m: Some(5_200.0),
        ..Workout::default()
    };
    let mut record = record_of(DataType::Workout, Body::Workout(Box::new(workout)));
    record.time = Span {
        start,
        end: start.plus(Duration::from_secs(1_800)),
        offset_seconds: Some(7_200),
        zone: Some("Europe/Berlin".into()),
    };
    record
}

fn record_of(data_type: DataType, body: Body) -> Record {
    let mut origin = Origin::named("strava", "17");
    origin.connection = Some(HERE);
    origin.device = Some("Garmin Forerunner 955".into());
    origin.method = RecordingMethod::Active;
    Record {
        data_type,
        origin,
        time: Span::at(at("2026-06-20T06:00:00Z"), Some(7_200)),
        is_daily_total: false,
        state: RecordState::Final,
        deleted: false,
        policy: Policy::default(),
        body,
    }
}

fn weight() -> Record {
    record_of(DataType::Weight, Body::Quantity(Quantity { value: 70.0 }))
}

fn context() -> Context<'static> {
    let now = at("2026-06-20T07:00:00Z");
    Context { provider: "strava", destination: HERE, read_at: now, now }
}

#[track_caller]
fn policies(json: Value) -> Policies {
    serde_json::from_value(json).unwrap()
}

/// In a word: `skip NAME`, `until TIME by NAME`, `to NUMBER by NAME`, or the sport and title that it is kept with.
fn told(applied: &Applied<'_>) -> String {
    match applied {
        Applied::Skip { rule, reason: LeftOut::Filtered } => format!("skip {rule}"),
        Applied::Skip { rule, reason: LeftOut::ExcludedBefore } => format!("too old by {rule}"),
        Applied::Delay { until, rule } => format!("until {until} by {rule}"),
        Applied::Elsewhere { to, rule } => format!("to {} by {rule}", to.0.as_u128()),
        Applied::Keep(record) => match &record.body {
            Body::Workout(it) => {
                format!("{} {}", json!(it.sport).as_str().unwrap(), it.title.as_deref().unwrap_or("-"))
            }
            _ => "kept".into(),
        },
    }
}

#[track_caller]
fn check(wanted: Value, record: &Record, expected: &str) {
    let policies = policies(wanted);
    policies.check().unwrap();
    assert_eq!(told(&apply(&policies, record, &context())), expected);
}

/// Whether conditions hold for the run.
#[track_caller]
fn check_when(when: Value, expected: bool) {
    let conditions: When = serde_json::from_value(when.clone()).unwrap();
    assert_eq!(conditions.holds(&run(), "strava"), expected, "{when}");
}

fn rule(when: Value, then: Value) -> Value {
    json!({"rules": [{"name": "mine", "when": when, "then": then}]})
}

const KEPT: &str = "trail_running Morning run";

#[test]
fn who_says_nothing_gets_everything_as_it_is() {
    check(json!({}), &run(), KEPT);
    check(json!({}), &weight(), "kept");
    assert_eq!(policies(json!({})), Policies::default());
    assert_eq!(json!(Policies::default()), json!({}));
}

#[test]
fn a_condition_holds_for_what_it_names_and_for_nothing_else() {
    for (when, expected) in [
        (json!({"data_types": ["weight", "workout"]}), true),
        (json!({"data_types": ["weight"]}), false),
        (json!({"sports": ["yoga", "trail_running"]}), true),
        (json!({"sports": ["running"]}), false),
        (json!({"sport_detail_contains": "trailr"}), true),
        (json!({"title_contains": "MORNING"}), true),
        (json!({"title_contains": "evening"}), false),
        (json!({"notes_contain": "#private"}), true),
        (json!({"provider": "strava"}), true),
        (json!({"provider": "google_health"}), false),
        (json!({"device": "garmin"}), true),
        (json!({"device": "polar"}), false),
        (json!({"methods": ["active"]}), true),
        (json!({"methods": ["manual", "derived"]}), false),
        (json!({"weekdays": ["saturday"]}), true),
        (json!({"weekdays": ["friday", "sunday"]}), false),
        (json!({"min_duration_seconds": 1_800, "max_duration_seconds": 1_800}), true),
        (json!({"max_duration_seconds": 1_799}), false),
        (json!({"min_duration_seconds": 1_801}), false),
        (json!({"min_distance_m": 5_200, "max_distance_m": 5_200}), true),
        (json!({"max_distance_m": 5_199}), false),
        (json!({"sports": ["trail_running"], "device": "polar"}), false),
        (json!({}), true),
    ] {
        check_when(when, expected);
    }
}

#[test]
fn the_time_of_day_is_that_of_the_persons_wall_clock() {
    for (from, to, expected) in [
        ("08:00", "08:01", true),
        ("06:00", "08:00", false),
        ("22:00", "08:01", true),
        ("22:00", "08:00", false),
        ("08:00", "00:00", true),
    ] {
        check_when(json!({"time_of_day": {"from": from, "to": to}}), expected);
    }
}

#[test]
fn what_the_source_does_not_say_does_not_hold() {
    let skip = |when: Value| rule(when, json!("skip"));
    let mut bare = run();
    bare.body = Body::Workout(Box::default());
    bare.time.offset_seconds = None;
    bare.origin.device = None;
    for when in [
        json!({"title_contains": "run"}),
        json!({"max_distance_m": 10_000}),
        json!({"device": "garmin"}),
        json!({"weekdays": ["saturday"]}),
        json!({"time_of_day": {"from": "00:00", "to": "23:59"}}),
    ] {
        check(skip(when), &bare, "other -");
    }
    // A weighing has no length: it is not shorter than a minute.
    check(skip(json!({"max_duration_seconds": 60})), &weight(), "kept");
    check(skip(json!({"sports": ["running"]})), &weight(), "kept");
}

#[test]
fn the_first_rule_that_leaves_out_delays_or_routes_decides() {
    let two = |first: Value, second: Value| {
        json!({"rules": [
            {"name": "first", "when": {"device": "garmin"}, "then": first},
            {"name": "second", "when": {"sports": ["trail_running"]}, "then": second},
        ]})
    };
    let there = json!({"route_elsewhere": {"destination": THERE}});
    check(two(json!("skip"), there.clone()), &run(), "skip first");
    check(two(there.clone(), json!("skip")), &run(), "to 2 by first");
    check(two(json!({"delay": {"seconds": 7_200}}), json!("skip")), &run(), "until 2026-06-20T08:30:00Z by first");
    // Whether it is due already does not change what decides.
    check(two(json!({"delay": {"seconds": 60}}), json!("skip")), &run(), KEPT);
    check(two(json!({"retype": {"sport": "hiking"}}), json!("skip")), &run(), "skip second");
    check(rule(json!({"device": "polar"}), json!("skip")), &run(), KEPT);
}

#[test]
fn what_is_routed_to_a_destination_is_kept_there() {
    let routed = rule(json!({"device": "garmin"}), json!({"route_elsewhere": {"destination": HERE}}));
    check(routed, &run(), KEPT);
}

#[test]
fn records_from_before_the_date_are_left_out() {
    check(json!({"not_before": "2026-06-20T06:00:00.001Z"}), &run(), "too old by not_before");
    check(json!({"not_before": "2026-06-20T08:00:00+02:00"}), &run(), KEPT);
}

#[test]
fn a_delay_counts_from_the_end_of_the_record_or_from_its_reading_if_that_is_still_to_come() {
    check(json!({"upload_delay_seconds": 3_600}), &run(), "until 2026-06-20T07:30:00Z by upload_delay_seconds");
    check(json!({"upload_delay_seconds": 1_800}), &run(), KEPT);
    let mut total = weight();
    total.time.end = at("2026-06-20T22:00:00Z");
    check(json!({"upload_delay_seconds": 60}), &total, "until 2026-06-20T07:01:00Z by upload_delay_seconds");
    let mut with_exception = rule(json!({"title_contains": "run"}), json!({"delay": {"seconds": 0}}));
    with_exception["upload_delay_seconds"] = json!(86_400);
    check(with_exception, &run(), KEPT);
}

#[test]
fn a_title_is_made_of_what_the_source_says() {
    let rename = |to: &str| rule(json!({}), json!({"rename": {"to": to}}));
    for (to, expected) in [
        ("{title} ({sport})", "Morning run (Trail running)"),
        ("{date}: {title}", "2026-06-20: Morning run"),
        ("A walk", "A walk"),
        // It has this form already.
        ("Morning {title}", "Morning run"),
        ("{title}run", "Morning run"),
    ] {
        check(rename(to), &run(), &format!("trail_running {expected}"));
    }
    let mut untitled = run();
    untitled.body = Body::Workout(Box::default());
    check(rename("{title} by watch"), &untitled, "other Other by watch");
    check(rename("{title} by watch"), &weight(), "kept");
    let mut tricky = run();
    tricky.body = Body::Workout(Box::new(Workout { title: Some("{date}{title}".into()), ..Workout::default() }));
    check(rename("{title}, {sport}"), &tricky, "other {date}{title}, Other");
}

#[test]
fn of_several_titles_and_sports_the_last_counts_and_each_sees_the_source() {
    let wanted = json!({"rules": [
        {"name": "a", "when": {"device": "garmin"}, "then": {"rename": {"to": "{title} on a watch"}}},
        {"name": "b", "when": {"sports": ["trail_running"]}, "then": {"retype": {"sport": "hiking"}}},
        {"name": "c", "when": {"title_contains": "morning"}, "then": {"rename": {"to": "{sport}: {title}"}}},
    ]});
    check(wanted.clone(), &run(), "hiking Hiking: Morning run");
    let (policies, run) = (policies(wanted), run());
    let Applied::Keep(kept) = apply(&policies, &run, &context()) else { panic!("it is kept") };
    let Body::Workout(workout) = &kept.body else { panic!("it is a workout") };
    assert_eq!(workout.sport_detail, None, "the source's word for a trail run says nothing of a hike");
    assert_eq!((kept.time.clone(), kept.origin.clone()), (run.time.clone(), run.origin.clone()));
}

#[test]
fn what_is_gone_at_the_source_is_looked_at_by_no_rule() {
    let mut tombstone = record_of(DataType::Workout, Body::Nothing(Nothing {}));
    tombstone.deleted = true;
    let wanted = json!({"not_before": "2027-01-01T00:00:00Z", "upload_delay_seconds": 86_400,
        "rules": [{"name": "all", "when": {"provider": "strava"}, "then": "skip"}]});
    check(wanted, &tombstone, "kept");
}

#[track_caller]
fn check_rank(priorities: Value, record: &Record, expected: u32) {
    let policies = policies(json!({"priorities": priorities}));
    policies.check().unwrap();
    assert_eq!(rank(&policies, record.data_type, &record.origin, record.time.start), expected);
}

#[test]
fn the_first_priority_that_matches_is_the_place_and_what_matches_none_is_last() {
    check_rank(json!([]), &run(), 0);
    check_rank(json!([{"provider": "google_health"}, {"provider": "strava"}]), &run(), 1);
    check_rank(json!([{"provider": "google_health"}, {"device": "polar"}]), &run(), 2);
    check_rank(json!([{"device": "FORERUNNER"}]), &run(), 0);
    check_rank(json!([{"connection": THERE}, {"connection": HERE}]), &run(), 1);
    check_rank(json!([{"provider": "strava", "device": "polar"}, {"provider": "strava"}]), &run(), 1);
    check_rank(json!([{"provider": "strava", "data_types": ["weight"]}]), &run(), 1);
    check_rank(json!([{"provider": "strava", "data_types": ["weight"]}]), &weight(), 0);
    check_rank(json!([{"provider": "strava", "to": "2026-06-20T06:00:00Z"}]), &run(), 1);
    check_rank(json!([{"provider": "strava", "from": "2026-06-20T06:00:00Z"}]), &run(), 0);
}

/// That policies are refused, with these words.
#[track_caller]
fn check_refused(wanted: Value, says: &str) {
    let refused = policies(wanted.clone()).check().expect_err(&wanted.to_string());
    assert!(refused.contains(says) && refused.contains([';', ',']), "{wanted}: {refused}");
}

#[test]
fn a_rule_that_cannot_be_meant_is_refused_by_its_name() {
    for (when, then, says) in [
        (json!({}), json!("skip"), "\"mine\" would leave out everything"),
        (json!({}), json!({"route_elsewhere": {"destination": THERE}}), "would route everything elsewhere"),
        (json!({"device": "x"}), json!({"delay": {"seconds": 86_401}}), "at most 86400"),
        (json!({"title_contains": " "}), json!("skip"), "no text in `title_contains`"),
        (json!({"data_types": ["weight"], "sports": ["yoga"]}), json!("skip"), "never holds"),
        (json!({"data_types": ["weight"]}), json!({"retype": {"sport": "yoga"}}), "add `workout`"),
        (json!({"min_distance_m": 2, "max_distance_m": 1}), json!("skip"), "least distance"),
        (json!({"min_duration_seconds": 2, "max_duration_seconds": 1}), json!("skip"), "least duration"),
        (json!({"time_of_day": {"from": "08:00", "to": "08:00"}}), json!("skip"), "two different times"),
        (json!({}), json!({"rename": {"to": "{titel}"}}), "braces around what is not known"),
        (json!({}), json!({"rename": {"to": "{title"}}), "braces around what is not known"),
        (json!({}), json!({"rename": {"to": "{title}"}}), "changes no title"),
        (json!({}), json!({"rename": {"to": "{title} {title}"}}), "too long"),
    ] {
        check_refused(rule(when, then), says);
    }
    check_refused(json!({"rules": [{"name": " ", "then": {"rename": {"to": "x"}}}]}), "no name");
}

#[test]
fn a_rule_that_is_never_reached_or_undoes_another_is_refused() {
    let two = |first: (Value, Value), second: (Value, Value)| json!({"rules": [{"name": "a", "when": first.0, "then": first.1}, {"name": "b", "when": second.0, "then": second.1}]});
    let (skip, yoga) = (json!("skip"), json!({"retype": {"sport": "yoga"}}));
    let garmin = json!({"device": "Garmin"});
    let narrower = json!({"device": "garmin edge", "sports": ["cycling"]});
    check_refused(
        two((garmin.clone(), skip.clone()), (narrower.clone(), skip.clone())),
        "\"b\" is never reached: \"a\"",
    );
    check_refused(two((json!({}), json!({"delay": {"seconds": 9}})), (garmin.clone(), skip.clone())), "never reached");
    check_refused(two((narrower.clone(), yoga.clone()), (garmin.clone(), yoga.clone())), "undoes \"a\"");
    let chained = (json!({"sports": ["yoga"]}), json!({"retype": {"sport": "pilates"}}));
    check_refused(two((narrower.clone(), yoga.clone()), chained.clone()), "in a chain");
    check_refused(two(chained, (narrower.clone(), yoga)), "in a chain");
    policies(two((narrower, skip.clone()), (garmin, skip))).check().unwrap();
    let same = json!({"name": "a", "when": {"device": "x"}, "then": "skip"});
    check_refused(json!({"rules": [same, {"name": "a", "when": {"device": "y"}, "then": "skip"}]}), "is there twice");
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    check_refused(json!({"upload_delay_seconds": 86_401}), "a day");
    check_refused(json!({"priorities": [{"data_types": ["steps"]}]}), "priority 1 names nobody");
    let reversed = json!({"provider": "strava", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
    check_refused(json!({"priorities": [reversed]}), "before it begins");
    check_refused(json!({"priorities": [{"provider": "a"}, {"provider": "a"}]}), "priority 2 is there twice");
    check_refused(json!({"priorities": [{"device": ""}]}), "empty device");
    check_refused(
        json!({"fields": {"hart_rate": "highest"}}),
        "\"hart_rate\", which is no field; there are start, gps, value,",
    );
    check_refused(json!({"fields": {"title": "highest"}}), "no number");
    check_refused(json!({"fields": {"title": {"provider": ""}}}), "prefers nobody");
    check_refused(json!({"priorities": vec![json!({"provider": "a"}); 101]}), "at most 100");
    let fine = json!({"fields": {"title": {"provider": "strava"}, "distance_m": "highest"}});
    policies(fine).check().unwrap();
    assert_eq!(FIELDS.map(|it| it.0).into_iter().collect::<BTreeSet<_>>().len(), FIELDS.len());
}

#[test]
fn what_is_not_known_is_not_read() {
    for wrong in [
        json!({"rule": []}),
        json!({"rules": [{"name": "a", "when": {"tags": ["x"]}, "then": "skip"}]}),
        json!({"rules": [{"name": "a", "then": {"delay": {"seconds": 1, "minutes": 2}}}]}),
        json!({"rules": [{"name": "a", "then": {"delay": {"seconds": -1}}}]}),
        json!({"rules": [{"name": "a", "then": "keep"}]}),
        json!({"rules": [{"name": "a", "when": {"time_of_day": {"from": "8:00", "to": "24:00"}}, "then": "skip"}]}),
        json!({"priorities": [{"app": "x"}]}),
        json!({"combine": "best"}),
    ] {
        assert!(serde_json::from_value::<Policies>(wrong.clone()).is_err(), "{wrong}");
    }
    for text in ["", ":", "8:00", "08:60", "24:00", "+8:00", "08:0", "08:000", "é0:00"] {
        assert_eq!(ClockTime::parse(text), None, "{text}");
    }
}

fn any_when() -> impl Strategy<Value = Value> {
    let text = prop::option::of(".{0,6}");
    (
        text.clone(),
        text.clone(),
        text,
        prop::option::of(any::<u32>()),
        prop::option::of(any::<u32>()),
        0u16..1440,
        0u16..1440,
    )
        .prop_map(|(title, device, provider, least, most, from, to)| {
            let clock = |it: u16| format!("{:02}:{:02}", it / 60, it % 60);
            json!({"title_contains": title, "device": device, "provider": provider, "min_duration_seconds": least,
                "max_distance_m": most, "time_of_day": {"from": clock(from), "to": clock(to)}})
        })
}

fn any_then() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("skip")),
        any::<u32>().prop_map(|it| json!({"delay": {"seconds": it}})),
        any_template().prop_map(|it| json!({"rename": {"to": it}})),
        Just(json!({"retype": {"sport": "yoga"}})),
        Just(json!({"route_elsewhere": {"destination": THERE}})),
    ]
}

fn any_template() -> impl Strategy<Value = String> {
    let part = prop_oneof![Just("{title}".to_owned()), Just("{sport}".into()), Just("{date}".into()), ".{0,5}"];
    prop::collection::vec(part, 0..5).prop_map(|it| it.concat())
}

fn any_run() -> impl Strategy<Value = Record> {
    let title = prop::option::of(prop_oneof![any_template(), ".{0,20}"]);
    let number = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    (title, number.clone(), number, prop::option::of(any::<i32>()), prop::option::of(any::<f64>())).prop_map(
        |(title, start, end, offset_seconds, distance_m)| {
            let mut record = run();
            record.time = Span { start: Instant(start), end: Instant(end), offset_seconds, zone: None };
            record.body = Body::Workout(Box::new(Workout { title, distance_m, ..Workout::default() }));
            record
        },
    )
}

fn kept<'a>(applied: &'a Applied<'_>) -> Option<&'a Record> {
    match applied {
        Applied::Keep(record) => Some(record),
        _ => None,
    }
}

proptest! {
    #[test]
    fn whatever_is_wanted_of_whatever_record_something_becomes_of_it(
        whens in prop::collection::vec((any_when(), any_then()), 0..6), record in any_run(), now in any::<i64>(), delay in any::<u32>(),
    ) {
        let rules: Vec<_> = whens.into_iter().map(|(when, then)| json!({"name": "x", "when": when, "then": then})).collect();
        let wanted = policies(json!({"rules": rules, "upload_delay_seconds": delay}));
        let _refusal = wanted.check();
        let context = Context { now: Instant(now), ..context() };
        let first = apply(&wanted, &record, &context);
        prop_assert_eq!(&first, &apply(&wanted, &record, &context));
        let latest = context.read_at.plus(Duration::from_secs(86_400));
        if let Applied::Delay { until, .. } = first {
            prop_assert!(until > context.now && until <= latest);
        }
    }

    #[test]
    fn a_second_time_changes_nothing_of_titles_and_sports(
        templates in prop::collection::vec(any_template(), 1..4), retyped in any::<bool>(), record in any_run(),
    ) {
        let mut rules: Vec<_> = templates
            .iter()
            .enumerate()
            .map(|(n, it)| json!({"name": format!("{n}"), "when": {"device": "garmin"}, "then": {"rename": {"to": it}}}))
            .collect();
        if retyped {
            rules.push(json!({"name": "to yoga", "when": {"sports": ["other"]}, "then": {"retype": {"sport": "yoga"}}}));
        }
        let wanted = policies(json!({"rules": rules}));
        let once = apply(&wanted, &record, &context());
        let once = kept(&once).unwrap().clone();
        let twice = apply(&wanted, &once, &context());
        prop_assert_eq!(kept(&twice), Some(&once));
    }

    #[test]
    fn what_is_kept_is_read_back_as_it_was(whens in prop::collection::vec((any_when(), any_then()), 0..4)) {
        let rules: Vec<_> = whens.into_iter().map(|(when, then)| json!({"name": "x", "when": when, "then": then})).collect();
        let wanted = policies(json!({"rules": rules}));
        prop_assert_eq!(policies(json!(wanted)), wanted);
    }

    #[test]
    fn a_time_of_day_is_read_back_as_it_was(minute in 0u16..1440) {
        let text = format!("{:02}:{:02}", minute / 60, minute % 60);
        prop_assert_eq!(ClockTime::parse(&text).unwrap().to_string(), text);
    }
}
