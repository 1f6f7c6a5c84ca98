//! What policies make of a record.

use super::{
    Policies, Priority, Then,
    conditions::{all_or_one_of, said_in, workout_of},
    times::date_of,
};
use schemas::{
    data_type::DataType,
    id::ConnectionId,
    record::{Body, Origin, Record},
    time::Instant,
    workout::Sport,
};
use std::{borrow::Cow, time::Duration};

/// The longest that a record is put off, seconds (a day).
pub(super) const DELAY_SECONDS_MAX: u32 = 24 * 3600;
/// What stands for the source's title in a new one.
pub(super) const TITLE: &str = "{title}";
/// What stands for the sport in a new title.
pub(super) const SPORT: &str = "{sport}";
/// What stands for the day in a new title.
pub(super) const DATE: &str = "{date}";

/// Where and when a record is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The provider it was read from.
    pub provider: &'a str,
    /// Where it is to be written.
    pub destination: ConnectionId,
    /// When the page that it is in was read: nothing is put off for longer than a day from then.
    pub read_at: Instant,
    /// The time; the end of time where nothing is to be put off.
    pub now: Instant,
}

/// What policies make of a record.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and not for long; a box would be one a record")]
pub enum Applied<'a> {
    /// It is synced, with another title or sport if so wanted.
    Keep(Cow<'a, Record>),
    /// It is left out.
    Skip {
        /// What decided: a rule's name, or `not_before`.
        rule: &'a str,
        /// Why.
        reason: LeftOut,
    },
    /// It comes later.
    Delay {
        /// When.
        until: Instant,
        /// What decided: a rule's name, or `upload_delay_seconds`.
        rule: &'a str,
    },
    /// It goes to another destination, and only there.
    Elsewhere {
        /// Which.
        to: ConnectionId,
        /// The rule's name.
        rule: &'a str,
    },
}

/// Why a record is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// A rule says so.
    Filtered,
    /// It began before the date from which on the person wants records.
    ExcludedBefore,
}

/// What policies make of a record of a source. Conditions and titles are those that the source gave: no rule sees what
/// another has changed. A tombstone is always kept: what is gone at the source was not made by a rule.
#[must_use]
pub fn apply<'a>(policies: &'a Policies, record: &'a Record, context: &Context<'_>) -> Applied<'a> {
    if record.deleted {
        return Applied::Keep(Cow::Borrowed(record));
    }
    if policies.not_before.is_some_and(|it| record.time.start < it) {
        return Applied::Skip { rule: "not_before", reason: LeftOut::ExcludedBefore };
    }
    let (mut delay, mut rename, mut retype) = (None, None, None);
    for rule in policies.rules.iter().filter(|it| it.when.holds(record, context.provider)) {
        match &rule.then {
            Then::Rename { to } => rename = Some(to.as_str()),
            Then::Retype { sport } => retype = Some(*sport),
            // Whatever comes after it would also leave the record out, put it off or route it.
            _ if delay.is_some() => {}
            Then::Skip => return Applied::Skip { rule: &rule.name, reason: LeftOut::Filtered },
            Then::Delay { seconds } => delay = Some((*seconds, rule.name.as_str())),
            Then::RouteElsewhere { destination } if *destination != context.destination => {
                return Applied::Elsewhere { to: *destination, rule: &rule.name };
            }
            Then::RouteElsewhere { .. } => {}
        }
    }
    let general = policies.upload_delay_seconds.map(|it| (it, "upload_delay_seconds"));
    if let Some((seconds, rule)) = delay.or(general) {
        let until = due_at(record, seconds, context.read_at);
        if until > context.now {
            return Applied::Delay { until, rule };
        }
    }
    Applied::Keep(changed(record, rename, retype))
}

/// A record as it is to be at a destination: with another title or sport if so wanted, whatever else becomes of it.
#[must_use]
pub fn as_wanted<'a>(
    policies: &'a Policies,
    record: &'a Record,
    (provider, destination): (&str, ConnectionId),
) -> Cow<'a, Record> {
    let (read_at, now) = (Instant(i64::MIN), Instant(i64::MAX));
    match apply(policies, record, &Context { provider, destination, read_at, now }) {
        Applied::Keep(it) => it,
        Applied::Skip { .. } | Applied::Delay { .. } | Applied::Elsewhere { .. } => Cow::Borrowed(record),
    }
}

/// When a record is due: so much after its end, or after it was read if that is still to come (a day's total ends with
/// the day).
fn due_at(record: &Record, seconds: u32, read_at: Instant) -> Instant {
    let delay = Duration::from_secs(u64::from(seconds.min(DELAY_SECONDS_MAX)));
    record.time.end.min(read_at).plus(delay)
}

fn changed<'a>(record: &'a Record, rename: Option<&str>, retype: Option<Sport>) -> Cow<'a, Record> {
    let Some(workout) = workout_of(record) else { return Cow::Borrowed(record) };
    let sport = retype.unwrap_or(workout.sport);
    let source = workout.title.as_deref().unwrap_or_default();
    let title = rename.map(|it| titled(it, source, sport, &date_of(&record.time))).filter(|it| it != source);
    if title.is_none() && sport == workout.sport {
        return Cow::Borrowed(record);
    }
    let mut changed = record.clone();
    if let Body::Workout(workout) = &mut changed.body {
        if sport != workout.sport {
            // The source's own word for it is the word for what it no longer is.
            workout.sport_detail = None;
        }
        workout.sport = sport;
        workout.title = title.or_else(|| workout.title.take());
    }
    Cow::Owned(changed)
}

/// A title after a template. A title that already has the template's form is left as it is, so that one that comes back
/// does not grow; one that would be empty is none.
fn titled(template: &str, source: &str, sport: Sport, date: &str) -> String {
    let sport = in_words(sport);
    let parts: Vec<String> = template.split(TITLE).map(|it| filled(it, &sport, date)).collect();
    let (first, last) = (parts.first().map_or("", String::as_str), parts.last().map_or("", String::as_str));
    let has_form = parts.len() > 1
        && source.len() >= first.len() + last.len()
        && source.starts_with(first)
        && source.ends_with(last)
        && !source.trim().is_empty();
    let name = if source.trim().is_empty() { &sport } else { source };
    let title = parts.join(name);
    if has_form || title.trim().is_empty() { source.into() } else { title }
}

/// A piece of a template without titles, in one pass: what is put in is not looked at again.
fn filled(piece: &str, sport: &str, date: &str) -> String {
    let dated: Vec<String> = piece.split(SPORT).map(|it| it.replace(DATE, date)).collect();
    dated.join(sport)
}

/// The name of a sport as a person writes it: `Trail running`.
fn in_words(sport: Sport) -> String {
    // The serde name is the name: one list, not two.
    let name = serde_json::to_value(sport).ok().and_then(|it| it.as_str().map(|it| it.replace('_', " ")));
    let name = name.unwrap_or_default();
    let mut letters = name.chars();
    letters.next().map(|it| it.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The place of a record's source in the person's priorities, 0 the best; what matches none comes after all of them.
#[must_use]
pub fn rank(policies: &Policies, data_type: DataType, origin: &Origin, starts_at: Instant) -> u32 {
    let place = policies.priorities.iter().position(|it| it.matches(data_type, origin, starts_at));
    u32::try_from(place.unwrap_or(policies.priorities.len())).unwrap_or(u32::MAX)
}

impl Priority {
    fn matches(&self, data_type: DataType, origin: &Origin, starts_at: Instant) -> bool {
        all_or_one_of(&self.data_types, &data_type)
            && self.provider.as_ref().is_none_or(|it| *it == origin.provider)
            && said_in(self.device.as_deref(), origin.device.as_deref())
            && self.connection.is_none_or(|it| origin.connection == Some(it))
            && self.from.is_none_or(|it| it <= starts_at)
            && self.to.is_none_or(|it| starts_at < it)
    }
}
