//! Workouts, with the statistics of iOS 16 and the totals of before, laps and routes.

use super::{
    Meta, ROUTE_POINT, entry,
    quantity::{kilocalories, metres},
    time,
};
use crate::formats::{
    number,
    track::{Point, check_totals, streams},
    xml::Node,
};
use engine::provider::Issue;
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    time::Instant,
    workout::{Lap, Sport, Workout},
};

pub(super) fn workout(node: &Node, meta: &Meta, issues: &mut Vec<Issue>) -> Record {
    let at = format!("workout at {}", meta.start);
    let kind = node.attribute("workoutActivityType").unwrap_or_default();
    let kind = kind.strip_prefix("HKWorkoutActivityType").unwrap_or(kind);
    let is_indoor = entry(node, "HKIndoorWorkout") == Some("1");
    let sport = sport(kind, is_indoor, entry(node, "HKSwimmingLocationType"));
    let amount = |value: &str, unit: &str, factor: fn(&str) -> Option<f64>| {
        Some(node.attribute(value).and_then(number)? * factor(node.attribute(unit)?)?)
    };
    let statistic = |kinds: &[&str], value: &str| {
        let of = |it: &&Node| {
            it.attribute("type")
                .and_then(|it| it.strip_prefix("HKQuantityTypeIdentifier"))
                .is_some_and(|it| kinds.contains(&it))
        };
        let it = node.children.iter().filter(|it| it.name == "WorkoutStatistics").find(of)?;
        Some((number(it.attribute(value)?)?, it.attribute("unit").unwrap_or_default()))
    };
    let sum = |kinds: &[&str], factor: fn(&str) -> Option<f64>| {
        statistic(kinds, "sum").and_then(|(value, unit)| Some(value * factor(unit)?))
    };
    let distances = [
        "DistanceWalkingRunning",
        "DistanceCycling",
        "DistanceSwimming",
        "DistanceDownhillSnowSports",
        "DistanceRowing",
    ];
    let pulse = |value| statistic(&["HeartRate"], value).filter(|it| it.1 == "count/min").map(|it| it.0);
    let points = route(node, &at, issues);
    let mut workout = Workout {
        sport,
        sport_detail: (sport == Sport::Other && !kind.is_empty()).then(|| kind.to_owned()),
        moving_ms: amount("duration", "durationUnit", seconds).map(|it| (it * 1_000.0).round() as i64),
        distance_m: sum(&distances, metres).or_else(|| amount("totalDistance", "totalDistanceUnit", metres)),
        energy_kcal: sum(&["ActiveEnergyBurned"], kilocalories)
            .or_else(|| amount("totalEnergyBurned", "totalEnergyBurnedUnit", kilocalories)),
        ascent_m: entry(node, "HKElevationAscended").and_then(length),
        heart_rate_mean: pulse("average"),
        heart_rate_max: pulse("maximum"),
        steps: statistic(&["StepCount"], "sum").map(|it| it.0.round() as i64),
        laps: laps(node, meta.start),
        streams: streams(points, meta.start, &at, issues),
        ..Workout::default()
    };
    check_totals(&mut workout, &at, issues);
    meta.record(DataType::Workout, Body::Workout(Box::new(workout)))
}

/// Seconds of a unit of time.
fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" => 1.0,
        "min" => 60.0,
        "hr" => 3_600.0,
        _ => return None,
    })
}

/// A length such as `12345 cm`.
fn length(text: &str) -> Option<f64> {
    let (value, unit) = text.trim().split_once(' ')?;
    Some(number(value)? * metres(unit)?)
}

fn laps(node: &Node, start: Instant) -> Vec<Lap> {
    let lap = |it: &Node| {
        let is_lap = it.name == "WorkoutEvent" && it.attribute("type") == Some("HKWorkoutEventTypeLap");
        let at = time(it.attribute("date").filter(|_| is_lap)?)?.0;
        let duration = number(it.attribute("duration")?)? * seconds(it.attribute("durationUnit")?)?;
        Some(Lap { offset_ms: at.0 - start.0, elapsed_ms: (duration * 1_000.0).round() as i64, ..Lap::default() })
    };
    node.children.iter().filter_map(lap).collect()
}

/// The points of the workout's routes: of files that were put in when the export was cut, or in the export itself as
/// before iOS 13.
fn route(node: &Node, at: &str, issues: &mut Vec<Issue>) -> Vec<Point> {
    let mut points = Vec::new();
    for route in node.children.iter().filter(|it| it.name == "WorkoutRoute") {
        let n_before = points.len();
        for it in &route.children {
            let value = |name| it.attribute(name).and_then(number);
            let moment = match it.name.as_str() {
                "Location" => it.attribute("date").and_then(time).map(|it| it.0),
                ROUTE_POINT => it.attribute("at").and_then(|it| it.parse().ok()).map(Instant),
                _ => None,
            };
            points.extend(moment.map(|at| Point {
                at,
                latitude: value("latitude"),
                longitude: value("longitude"),
                altitude: value("altitude"),
                // Apple writes -1 for a speed it does not know.
                speed: value("speed").filter(|it| *it >= 0.0),
                ..Point::default()
            }));
        }
        if points.len() == n_before && route.child("FileReference").is_some() {
            let text = "the file of the workout's route is not in the archive, or cannot be read".into();
            issues.push(Issue { code: "truncated", at: at.to_owned(), text });
        }
    }
    points
}

fn sport(kind: &str, is_indoor: bool, water: Option<&str>) -> Sport {
    match kind {
        "Running" if is_indoor => Sport::TreadmillRunning,
        "Running" => Sport::Running,
        "Walking" => Sport::Walking,
        "Hiking" => Sport::Hiking,
        "Cycling" if is_indoor => Sport::IndoorCycling,
        "Cycling" => Sport::Cycling,
        // HKWorkoutSwimmingLocationType: 1 pool, 2 open water.
        "Swimming" if water == Some("2") => Sport::OpenWaterSwimming,
        "Swimming" => Sport::PoolSwimming,
        "Rowing" if is_indoor => Sport::IndoorRowing,
        "Rowing" => Sport::Rowing,
        "PaddleSports" => Sport::Paddling,
        "FunctionalStrengthTraining" | "TraditionalStrengthTraining" => Sport::StrengthTraining,
        "Yoga" => Sport::Yoga,
        "Pilates" => Sport::Pilates,
        "Elliptical" => Sport::Elliptical,
        "StairClimbing" | "Stairs" | "StepTraining" => Sport::StairClimbing,
        "HighIntensityIntervalTraining" => Sport::Hiit,
        "CrossCountrySkiing" => Sport::CrossCountrySkiing,
        "DownhillSkiing" => Sport::AlpineSkiing,
        "Snowboarding" => Sport::Snowboarding,
        "SkatingSports" => Sport::Skating,
        "Climbing" => Sport::Climbing,
        "Golf" => Sport::Golf,
        "Tennis" | "Badminton" | "Squash" | "TableTennis" | "Racquetball" | "Pickleball" => Sport::RacketSport,
        "Soccer" | "Basketball" | "Volleyball" | "Handball" | "Hockey" | "Rugby" | "AmericanFootball" | "Baseball" => {
            Sport::TeamSport
        }
        "CardioDance" | "SocialDance" | "Dance" => Sport::Dancing,
        "Boxing" | "MartialArts" | "Kickboxing" | "Wrestling" => Sport::MartialArts,
        "SwimBikeRun" => Sport::Multisport,
        "Transition" => Sport::Transition,
        _ => Sport::Other,
    }
}
