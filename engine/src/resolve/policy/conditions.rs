//! Whether a rule is about a record, and whether one rule is about every record that another is about.

use super::{
    When,
    times::{minute_of, weekday_of},
};
use schemas::{
    data_type::DataType,
    record::{Body, Record},
    workout::Workout,
};
use std::time::Duration;

impl When {
    /// Whether everything that is said holds for a record of a source. What the record does not say does not hold.
    #[must_use]
    pub fn holds(&self, record: &Record, provider: &str) -> bool {
        let workout = workout_of(record);
        // A sample has no length: it is neither a short one nor a long one.
        let length = Some(record.time.end.since(record.time.start)).filter(|it| !it.is_zero());
        let seconds = |it: u32| Duration::from_secs(u64::from(it));
        let metres = || distance_of(record);
        all_or_one_of(&self.data_types, &record.data_type)
            && (self.sports.is_empty() || workout.is_some_and(|it| self.sports.contains(&it.sport)))
            && said_in(self.sport_detail_contains.as_deref(), workout.and_then(|it| it.sport_detail.as_deref()))
            && said_in(self.title_contains.as_deref(), title_of(record))
            && said_in(self.notes_contain.as_deref(), workout.and_then(|it| it.notes.as_deref()))
            && self.provider.as_deref().is_none_or(|it| it == provider)
            && said_in(self.device.as_deref(), record.origin.device.as_deref())
            && all_or_one_of(&self.methods, &record.origin.method)
            && self.time_of_day.is_none_or(|it| minute_of(&record.time).is_some_and(|minute| it.has(minute)))
            && (self.weekdays.is_empty() || weekday_of(&record.time).is_some_and(|it| self.weekdays.contains(&it)))
            && self.min_duration_seconds.is_none_or(|it| length.is_some_and(|length| length >= seconds(it)))
            && self.max_duration_seconds.is_none_or(|it| length.is_some_and(|length| length <= seconds(it)))
            && self.min_distance_m.is_none_or(|it| metres().is_some_and(|metres| metres >= f64::from(it)))
            && self.max_distance_m.is_none_or(|it| metres().is_some_and(|metres| metres <= f64::from(it)))
    }

    /// Whether it surely holds wherever `other` holds.
    pub(super) fn covers(&self, other: &Self) -> bool {
        all_of(&self.data_types, &other.data_types)
            && all_of(&self.sports, &other.sports)
            && part_of(self.sport_detail_contains.as_deref(), other.sport_detail_contains.as_deref())
            && part_of(self.title_contains.as_deref(), other.title_contains.as_deref())
            && part_of(self.notes_contain.as_deref(), other.notes_contain.as_deref())
            && (self.provider.is_none() || self.provider == other.provider)
            && part_of(self.device.as_deref(), other.device.as_deref())
            && all_of(&self.methods, &other.methods)
            && (self.time_of_day.is_none() || self.time_of_day == other.time_of_day)
            && all_of(&self.weekdays, &other.weekdays)
            && self.min_duration_seconds.is_none_or(|it| other.min_duration_seconds.is_some_and(|other| it <= other))
            && self.max_duration_seconds.is_none_or(|it| other.max_duration_seconds.is_some_and(|other| it >= other))
            && self.min_distance_m.is_none_or(|it| other.min_distance_m.is_some_and(|other| it <= other))
            && self.max_distance_m.is_none_or(|it| other.max_distance_m.is_some_and(|other| it >= other))
    }
}

/// Whether a text is in another, in capitals or not; a text that is not asked for always is.
pub(super) fn said_in(wanted: Option<&str>, said: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    said.is_some_and(|it| it.to_lowercase().contains(&wanted.to_lowercase()))
}

/// Whether a list names a value, or is empty and so means every one.
pub(super) fn all_or_one_of<T: PartialEq>(list: &[T], it: &T) -> bool {
    list.is_empty() || list.contains(it)
}

/// The workout that a record is, if it is one.
pub(super) fn workout_of(record: &Record) -> Option<&Workout> {
    match &record.body {
        Body::Workout(workout) => Some(workout),
        _ => None,
    }
}

/// Whatever a person called a record.
fn title_of(record: &Record) -> Option<&str> {
    match &record.body {
        Body::Workout(workout) => workout.title.as_deref(),
        Body::Nutrition(food) => food.name.as_deref(),
        Body::Entity(entity) => Some(&entity.title),
        _ => None,
    }
}

/// How far a record goes, m.
fn distance_of(record: &Record) -> Option<f64> {
    match &record.body {
        Body::Workout(workout) => workout.distance_m,
        Body::Quantity(quantity) if record.data_type == DataType::Distance => Some(quantity.value),
        _ => None,
    }
}

/// Whether a list of values, of which an empty one means all, has all of another.
fn all_of<T: PartialEq>(list: &[T], other: &[T]) -> bool {
    list.is_empty() || (!other.is_empty() && other.iter().all(|it| list.contains(it)))
}

/// Whether a text that is to be contained is surely contained where `other` is.
fn part_of(text: Option<&str>, other: Option<&str>) -> bool {
    text.is_none() || said_in(text, other)
}
