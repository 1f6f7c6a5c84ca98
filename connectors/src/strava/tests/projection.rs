//! What Strava keeps.

use super::{at, foreign, measured, workout};
use crate::strava::{Strava, simulator::demo_activities, sport, tests::normalize};
use engine::provider::DataProvider;
use proptest::prelude::*;
use schemas::{
    data_type::DataType,
    record::{Body, Quantity},
    workout::{Column, Lap, Sport, Workout},
};

const SPORTS: [Sport; 35] = [
    Sport::Other,
    Sport::Running,
    Sport::TrailRunning,
    Sport::TreadmillRunning,
    Sport::Walking,
    Sport::Hiking,
    Sport::Cycling,
    Sport::MountainBiking,
    Sport::GravelCycling,
    Sport::IndoorCycling,
    Sport::EBiking,
    Sport::PoolSwimming,
    Sport::OpenWaterSwimming,
    Sport::Rowing,
    Sport::IndoorRowing,
    Sport::Paddling,
    Sport::StandUpPaddling,
    Sport::StrengthTraining,
    Sport::Yoga,
    Sport::Pilates,
    Sport::Elliptical,
    Sport::StairClimbing,
    Sport::Hiit,
    Sport::CrossCountrySkiing,
    Sport::AlpineSkiing,
    Sport::Snowboarding,
    Sport::Skating,
    Sport::Climbing,
    Sport::Golf,
    Sport::RacketSport,
    Sport::TeamSport,
    Sport::Dancing,
    Sport::MartialArts,
    Sport::Multisport,
    Sport::Transition,
];

#[test]
fn a_record_that_is_no_workout_is_refused_with_the_reason_and_what_would_work() {
    let mut record = foreign(Workout::default());
    record.data_type = DataType::Weight;
    record.body = Body::Quantity(Quantity { value: 75.0 });
    let reason = Strava::default().project(&record).unwrap_err();
    assert_eq!(
        reason,
        "strava keeps workouts, not records of type weight; google_health or a device agent may take them"
    );
}

#[test]
fn a_workout_without_streams_needs_its_offset() {
    let mut record = foreign(Workout::default());
    assert!(Strava::default().project(&record).is_ok());
    record.time.offset_seconds = None;
    assert!(Strava::default().project(&record).unwrap_err().contains("offset"));
    record.body = Body::Workout(Box::new(measured()));
    assert!(Strava::default().project(&record).is_ok());
}

#[test]
fn times_are_whole_seconds_and_moments_move_with_the_start() {
    let mut record = foreign(measured());
    record.time.start.0 += 400;
    let mut run = measured();
    run.streams.offsets_ms = (0..61).map(|it| it * 30_000 + 700).collect();
    run.laps = vec![
        Lap { elapsed_ms: 900_500, ..Lap::default() },
        Lap { offset_ms: 900_700, elapsed_ms: 899_300, ..Lap::default() },
    ];
    record.body = Body::Workout(Box::new(run));
    let projected = Strava::default().project(&record).unwrap();
    assert_eq!(projected.time.start, at("2026-05-03T16:00:00Z"));
    // 0.4 s of the start and 0.7 s of the offset are a second and a tenth after the whole second.
    assert_eq!(&workout(&projected).streams.offsets_ms[..2], [1_000, 31_000]);
    assert_eq!(workout(&projected).laps.iter().map(|it| it.offset_ms).collect::<Vec<_>>(), [0, 901_000]);
}

#[test]
fn a_sport_comes_back_as_strava_tells_it_apart() {
    for is in SPORTS {
        for has_place in [false, true] {
            let (name, is_trainer) = sport::to_strava(is, None);
            let (back, detail) = sport::from_strava(name, is_trainer, has_place);
            assert_eq!(detail, None, "{is:?}");
            let expected = match is {
                Sport::PoolSwimming | Sport::OpenWaterSwimming if has_place => Sport::OpenWaterSwimming,
                Sport::PoolSwimming | Sport::OpenWaterSwimming => Sport::PoolSwimming,
                _ if name == "Workout" => Sport::Other,
                _ => is,
            };
            assert_eq!(back, expected);
        }
    }
    assert_eq!(sport::from_strava("BackcountrySki", false, true), (Sport::AlpineSkiing, Some("BackcountrySki".into())));
    assert_eq!(sport::to_strava(Sport::AlpineSkiing, Some("BackcountrySki")), ("BackcountrySki", false));
    assert_eq!(sport::to_strava(Sport::Running, Some("BackcountrySki")), ("Run", false));
}

#[test]
fn the_projection_of_a_projection_is_itself_for_every_demo_activity() {
    for demo in [demo_activities(0), demo_activities(400)].concat() {
        let page = serde_json::json!({ "activities": [{ "activity": demo.detail, "streams": demo.streams }] });
        let record = normalize(page.to_string().as_bytes()).unwrap().records.remove(0);
        let once = Strava::default().project(&record).unwrap();
        assert_eq!(Strava::default().project(&once).unwrap(), once);
    }
}

#[test]
fn two_seeds_are_two_people_with_activities_at_other_times() {
    let (one, other) = (demo_activities(1), demo_activities(2));
    assert!(one.len() > 50);
    assert_eq!(one.len(), other.len());
    assert_eq!(one, demo_activities(1));
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one.detail["id"], other.detail["id"]);
        assert_ne!(one.detail["start_date"], other.detail["start_date"]);
    }
}

proptest! {
    #[test]
    fn the_projection_of_a_projection_is_itself(
        index in 0_usize..35, shift in 0_i64..5_000, gaps in proptest::collection::vec(any::<bool>(), 61),
        step in 1_i64..4_000, factor in -3.0_f64..3.0, notes in ".{0,40}",
    ) {
        let mut run = measured();
        run.sport = SPORTS[index];
        run.notes = Some(notes);
        run.distance_m = Some(1_000.0 * factor.abs());
        run.streams.offsets_ms = (0..61).map(|it| it * step).collect();
        for column in [&mut run.streams.latitude, &mut run.streams.heart_rate, &mut run.streams.altitude] {
            *column = Column(column.0.iter().zip(&gaps).map(|(it, gap)| if *gap { f64::NAN } else { it * factor }).collect());
        }
        let mut record = foreign(run);
        record.time.start.0 += shift;
        let once = Strava::default().project(&record).unwrap();
        prop_assert_eq!(Strava::default().project(&once).unwrap(), once);
    }
}
