//! What a person wants done with their records on one way: which are left out, which wait, what they are called, and
//! which source is believed. Pure, and all of it optional: [`Policies::default`] is what nobody needs to read.
//!
//! Read in this order: [`Policies`] (what can be said), [`apply`] (what it makes of a record), [`rank`] (whom it
//! believes more), and `check` (what is refused before it is kept).

mod apply;
mod check;
mod conditions;
mod leave_out;
mod times;

pub use apply::{Applied, Context, LeftOut, apply, as_wanted, rank};
pub use check::FIELDS;
pub use times::{ClockTime, TimeOfDay, Weekday};

use super::merge::{Combine, MergePolicy, Prefer};
use schemars::JsonSchema;
use schemas::{data_type::DataType, id::ConnectionId, record::RecordingMethod, time::Instant, workout::Sport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the person wants done with records on the way from the source to the destination. Whatever is left out stands
/// at its default, and the defaults need no thought: everything is synced as it is, as soon as it is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// How records of several sources that are the same thing become one.
    #[serde(skip_serializing_if = "is_default")]
    pub combine: CombineName,
    /// Whom to believe more, best first. What matches none of them comes after all of them.
    #[serde(skip_serializing_if = "is_default")]
    pub priorities: Vec<Priority>,
    /// Whom to believe in single fields, by the field's name; goes before `priorities`.
    #[serde(skip_serializing_if = "is_default")]
    pub fields: BTreeMap<String, FieldPreference>,
    /// Whether what only one source has is joined to what another has.
    #[serde(skip_serializing_if = "is_default")]
    pub additive: Additive,
    /// What happens to single records. All are looked at in this order; of those that leave a record out, put it off or
    /// route it elsewhere, the first that holds decides.
    #[serde(skip_serializing_if = "is_default")]
    pub rules: Vec<FilterRule>,
    /// Records that began earlier are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub not_before: Option<Instant>,
    /// How many seconds after a record's end it is written at the earliest, at most a day; a rule with `delay` goes
    /// before it.
    #[serde(skip_serializing_if = "is_default")]
    pub upload_delay_seconds: Option<u32>,
    /// Whether the person is asked when it is doubtful that two records are the same thing.
    #[serde(skip_serializing_if = "is_default")]
    pub reviews: Reviews,
}

fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

/// How records of several sources that are the same thing become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CombineName {
    /// Field by field, by what each source measures best; `priorities` and `fields` go before that.
    #[default]
    Intelligently,
    /// The record of the source that comes first in `priorities`, as a whole.
    FirstSource,
    /// The record with the higher total (steps, distance, energy), as a whole.
    HighestTotals,
}

/// Whether what only one source has is joined to what another has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Additive {
    /// It is: a heart rate of one and a track of another become one workout with both.
    #[default]
    Union,
    /// It is not: what the preferred source does not have stays absent.
    Off,
}

/// Whether the person is asked when it is doubtful that two records are the same thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reviews {
    /// They are asked, and nothing is written until they have answered.
    #[default]
    Ask,
    /// They are not: the likelier answer is taken.
    Never,
}

/// A place in the order of whom to believe. Everything that is said must hold; something must be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Priority {
    /// A provider, by its name in this API.
    #[serde(skip_serializing_if = "is_default")]
    pub provider: Option<String>,
    /// A text in the device's name, in capitals or not.
    #[serde(skip_serializing_if = "is_default")]
    pub device: Option<String>,
    /// A connection.
    #[serde(skip_serializing_if = "is_default")]
    pub connection: Option<ConnectionId>,
    /// Only for records of these types; all, if none is named.
    #[serde(skip_serializing_if = "is_default")]
    pub data_types: Vec<DataType>,
    /// Only for records that began then or later.
    #[serde(skip_serializing_if = "is_default")]
    pub from: Option<Instant>,
    /// Only for records that began earlier than this.
    #[serde(skip_serializing_if = "is_default")]
    pub to: Option<Instant>,
}

/// Whom to believe in one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldPreference {
    /// This provider, if it has the field.
    Provider(String),
    /// The device that has this text in its name, in capitals or not.
    Device(String),
    /// Whoever says the highest number.
    Highest,
    /// Whoever says the lowest number.
    Lowest,
}

/// What happens to records of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterRule {
    /// What the person calls it; told as the reason of what it does. No two rules of a config have the same name.
    pub name: String,
    /// Which records it is about; left out, it is about every record.
    #[serde(default)]
    pub when: When,
    /// What it does.
    pub then: Then,
}

/// Which records a rule is about. Everything that is said must hold; what the source does not say does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// One of these types.
    #[serde(skip_serializing_if = "is_default")]
    pub data_types: Vec<DataType>,
    /// A workout of one of these sports.
    #[serde(skip_serializing_if = "is_default")]
    pub sports: Vec<Sport>,
    /// A text in the source's own name of the sport, such as `VirtualRide`, in capitals or not.
    #[serde(skip_serializing_if = "is_default")]
    pub sport_detail_contains: Option<String>,
    /// A text in the title, in capitals or not.
    #[serde(skip_serializing_if = "is_default")]
    pub title_contains: Option<String>,
    /// A text in the notes of a workout, such as `#private`, in capitals or not.
    #[serde(skip_serializing_if = "is_default")]
    pub notes_contain: Option<String>,
    /// Read from this provider, by its name in this API.
    #[serde(skip_serializing_if = "is_default")]
    pub provider: Option<String>,
    /// A text in the name of the device that measured it, in capitals or not.
    #[serde(skip_serializing_if = "is_default")]
    pub device: Option<String>,
    /// Came to be in one of these ways.
    #[serde(skip_serializing_if = "is_default")]
    pub methods: Vec<RecordingMethod>,
    /// Began at this time of the day, by the person's wall clock.
    #[serde(skip_serializing_if = "is_default")]
    pub time_of_day: Option<TimeOfDay>,
    /// Began on one of these days, by the person's wall clock.
    #[serde(skip_serializing_if = "is_default")]
    pub weekdays: Vec<Weekday>,
    /// Lasted at least so many seconds, pauses included.
    #[serde(skip_serializing_if = "is_default")]
    pub min_duration_seconds: Option<u32>,
    /// Lasted at most so many seconds, pauses included.
    #[serde(skip_serializing_if = "is_default")]
    pub max_duration_seconds: Option<u32>,
    /// At least so many metres.
    #[serde(skip_serializing_if = "is_default")]
    pub min_distance_m: Option<u32>,
    /// At most so many metres.
    #[serde(skip_serializing_if = "is_default")]
    pub max_distance_m: Option<u32>,
}

/// What a rule does with a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Then {
    /// It is left out: what is at the destination already stays there.
    Skip,
    /// It is written so much later.
    Delay {
        /// How many seconds after its end, at most a day; 0: at once, whatever `upload_delay_seconds` says.
        seconds: u32,
    },
    /// A workout gets another title.
    Rename {
        /// The title; `{title}`, `{sport}` and `{date}` stand for the source's title, the sport and the day.
        to: String,
    },
    /// A workout becomes one of another sport.
    Retype {
        /// Which.
        sport: Sport,
    },
    /// It goes to another destination, and only there: left out here, written by the config between the same source and
    /// that destination.
    RouteElsewhere {
        /// The connection it goes to.
        destination: ConnectionId,
    },
}

impl Policies {
    /// How records of several sources are put together.
    #[must_use]
    pub fn merging(&self) -> MergePolicy {
        let combine = match (self.additive, self.combine) {
            (Additive::Off, _) | (Additive::Union, CombineName::FirstSource) => Combine::First,
            (Additive::Union, CombineName::Intelligently) => Combine::Intelligently,
            (Additive::Union, CombineName::HighestTotals) => Combine::HighestTotals,
        };
        let prefer = |it: &FieldPreference| match it {
            FieldPreference::Provider(name) => Prefer::Provider(name.clone()),
            FieldPreference::Device(name) => Prefer::Device(name.clone()),
            FieldPreference::Highest => Prefer::Highest,
            FieldPreference::Lowest => Prefer::Lowest,
        };
        MergePolicy { combine, fields: self.fields.iter().map(|(name, it)| (name.clone(), prefer(it))).collect() }
    }

    /// The other destinations that records are routed to, each with the rule that does.
    pub fn routes(&self) -> impl Iterator<Item = (&FilterRule, ConnectionId)> {
        self.rules.iter().filter_map(|rule| match rule.then {
            Then::RouteElsewhere { destination } => Some((rule, destination)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
