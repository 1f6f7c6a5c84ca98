//! Points of a track, as every recording format has them, and the columns they become.

use engine::provider::Issue;
use schemas::{
    data_type::DataType,
    time::Instant,
    workout::{Column, Streams, Workout},
};

/// What was measured at one moment. A value that was not measured is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// When.
    pub at: Instant,
    /// Latitude, deg.
    pub latitude: Option<f64>,
    /// Longitude, deg.
    pub longitude: Option<f64>,
    /// Altitude above the sea, m.
    pub altitude: Option<f64>,
    /// Heart rate, /min.
    pub heart_rate: Option<f64>,
    /// Cadence, /min (steps on foot, turns on a bike).
    pub cadence: Option<f64>,
    /// Power, W.
    pub power: Option<f64>,
    /// Speed, m/s.
    pub speed: Option<f64>,
    /// Distance since the start, m.
    pub distance: Option<f64>,
    /// Air temperature, Cel.
    pub temperature: Option<f64>,
}

impl Point {
    /// Takes away what no recording on earth can have measured, and counts it under its column's number.
    fn check(&mut self, n_bad: &mut [usize; 8]) {
        let position = self.latitude.zip(self.longitude);
        let is_on_earth =
            position.is_some_and(|(latitude, longitude)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0);
        if !is_on_earth {
            // Half a position is none.
            n_bad[0] += usize::from(position.is_some());
            (self.latitude, self.longitude) = (None, None);
        }
        // Zero is how many devices write that no pulse was felt.
        self.heart_rate.take_if(|it| *it == 0.0);
        let columns = [
            (&mut self.altitude, 1, -1_000.0, 20_000.0),
            (&mut self.heart_rate, 2, 15.0, 350.0),
            (&mut self.cadence, 3, 0.0, 600.0),
            (&mut self.power, 4, 0.0, 10_000.0),
            (&mut self.speed, 5, 0.0, 400.0),
            (&mut self.distance, 6, 0.0, 10_000_000.0),
            (&mut self.temperature, 7, -90.0, 90.0),
        ];
        for (value, index, min, max) in columns {
            if value.is_some_and(|it| !(min..=max).contains(&it)) {
                *value = None;
                n_bad[index] += 1;
            }
        }
    }
}

const COLUMNS: [&str; 8] =
    ["position", "altitude", "heart_rate", "cadence", "power", "speed", "distance", "temperature"];

/// The columns of these points, in order of time, and an issue `out_of_range` for each column that lost values.
/// `at` names the recording in the issues.
#[must_use]
pub fn streams(mut points: Vec<Point>, start: Instant, at: &str, issues: &mut Vec<Issue>) -> Streams {
    let mut n_bad = [0; 8];
    for point in &mut points {
        point.check(&mut n_bad);
    }
    // Stable: two points of the same second stay as they came.
    points.sort_by_key(|it| it.at);
    for (name, n) in COLUMNS.into_iter().zip(n_bad).filter(|it| it.1 > 0) {
        let text = format!("{n} values of {name} are outside of what can be and were left out");
        issues.push(Issue { code: "out_of_range", at: at.to_owned(), text });
    }
    let column = |value: fn(&Point) -> Option<f64>| Column::from_options(points.iter().map(value).collect());
    Streams {
        offsets_ms: points.iter().map(|it| it.at.0.saturating_sub(start.0)).collect(),
        latitude: column(|it| it.latitude),
        longitude: column(|it| it.longitude),
        altitude: column(|it| it.altitude),
        heart_rate: column(|it| it.heart_rate),
        cadence: column(|it| it.cadence),
        power: column(|it| it.power),
        speed: column(|it| it.speed),
        distance: column(|it| it.distance),
        temperature: column(|it| it.temperature),
    }
}

/// Takes away the totals of a workout that nobody can have reached, with an issue for each.
pub fn check_totals(workout: &mut Workout, at: &str, issues: &mut Vec<Issue>) {
    let (pulse_min, pulse_max) = DataType::HeartRate.plausible();
    let totals = [
        (&mut workout.distance_m, "distance", 0.0, 10_000_000.0),
        (&mut workout.energy_kcal, "energy", 0.0, 50_000.0),
        (&mut workout.ascent_m, "ascent", 0.0, 50_000.0),
        (&mut workout.heart_rate_mean, "mean heart rate", pulse_min, pulse_max),
        (&mut workout.heart_rate_max, "greatest heart rate", pulse_min, pulse_max),
        (&mut workout.cadence_mean, "mean cadence", 0.0, 600.0),
        (&mut workout.power_mean, "mean power", 0.0, 10_000.0),
    ];
    for (value, name, min, max) in totals {
        // Zero is how many devices write that there was none.
        let is_none = name.ends_with("heart rate") && *value == Some(0.0);
        if value.take_if(|it| !(min..=max).contains(it)).is_some() && !is_none {
            let text = format!("the {name} is outside of what can be and was left out");
            issues.push(Issue { code: "out_of_range", at: at.to_owned(), text });
        }
    }
    for lap in &mut workout.laps {
        lap.distance_m.take_if(|it| !(0.0..=10_000_000.0).contains(it));
        lap.energy_kcal.take_if(|it| !(0.0..=50_000.0).contains(it));
        lap.heart_rate_mean.take_if(|it| !(pulse_min..=pulse_max).contains(it));
        lap.heart_rate_max.take_if(|it| !(pulse_min..=pulse_max).contains(it));
    }
}

#[cfg(test)]
mod tests {
    use super::{Point, check_totals, streams};
    use schemas::{time::Instant, workout::Workout};

    #[test]
    fn totals_that_nobody_can_have_reached_are_taken_away() {
        let mut issues = Vec::new();
        let mut workout = Workout {
            distance_m: Some(1e300),
            energy_kcal: Some(500.0),
            heart_rate_max: Some(0.0),
            ..Workout::default()
        };
        check_totals(&mut workout, "a", &mut issues);
        let found = (workout.distance_m, workout.energy_kcal, workout.heart_rate_max);
        assert_eq!(found, (None, Some(500.0), None));
        assert_eq!(issues.len(), 1, "a heart rate of zero is none");
    }

    #[test]
    fn points_become_columns_in_order_of_time_and_impossible_values_become_gaps() {
        let mut issues = Vec::new();
        let points = vec![
            Point { at: Instant(3_000), heart_rate: Some(3.0), latitude: Some(1.0), ..Point::default() },
            Point { at: Instant(1_000), heart_rate: Some(90.0), ..Point::default() },
        ];
        let streams = streams(points, Instant(1_000), "a", &mut issues);
        assert_eq!(streams.offsets_ms, [0, 2_000]);
        assert_eq!((streams.heart_rate.get(0), streams.heart_rate.get(1)), (Some(90.0), None));
        assert!(streams.latitude.is_empty(), "half a position is none");
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].code, "out_of_range");
    }
}
