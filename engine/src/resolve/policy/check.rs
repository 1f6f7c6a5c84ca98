//! What is refused before it is kept: what cannot be meant, with what could be.

use super::{
    FieldPreference, FilterRule, Policies, Priority, Then, When,
    apply::{DATE, DELAY_SECONDS_MAX, SPORT, TITLE},
};
use schemas::data_type::DataType;

/// The most rules, priorities and fields of a config, each.
const COUNT_MAX: usize = 100;
/// The longest text in a rule, characters.
const TEXT_CHARACTERS_MAX: usize = 200;

/// The fields for which somebody can be preferred, each with whether it is a number.
pub const FIELDS: [(&str, bool); 22] = [
    ("start", false),
    ("gps", false),
    ("value", true),
    ("sport", false),
    ("sport_detail", false),
    ("title", false),
    ("notes", false),
    ("moving_ms", true),
    ("distance_m", true),
    ("energy_kcal", true),
    ("ascent_m", true),
    ("heart_rate_mean", true),
    ("heart_rate_max", true),
    ("cadence_mean", true),
    ("power_mean", true),
    ("steps", true),
    ("laps", false),
    ("streams.heart_rate", false),
    ("streams.cadence", false),
    ("streams.power", false),
    ("streams.temperature", false),
    ("stages", false),
];

impl Policies {
    /// Refuses what cannot be meant: rules that leave out everything, can never hold or are never reached, names of
    /// fields that there are not, stretches of time that end before they begin.
    ///
    /// # Errors
    /// Which rule or setting it is, what is wrong with it, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let counts =
            [("rules", self.rules.len()), ("priorities", self.priorities.len()), ("fields", self.fields.len())];
        for (name, count) in counts {
            if count > COUNT_MAX {
                return Err(format!("there are {count} {name}; at most {COUNT_MAX} can be kept, so join some of them"));
            }
        }
        if let Some(seconds) = self.upload_delay_seconds.filter(|it| *it > DELAY_SECONDS_MAX) {
            return Err(format!("upload_delay_seconds is {seconds}; give at most {DELAY_SECONDS_MAX}, which is a day"));
        }
        for (index, priority) in self.priorities.iter().enumerate() {
            self.check_priority(index, priority)?;
        }
        for (field, preference) in &self.fields {
            check_field(field, preference)?;
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let fault = fault_of(rule).or_else(|| self.rules[..index].iter().find_map(|it| fault_after(it, rule)));
            if let Some(fault) = fault {
                return Err(format!("the rule {:?} {fault}", rule.name));
            }
        }
        Ok(())
    }

    fn check_priority(&self, index: usize, it: &Priority) -> Result<(), String> {
        let said = |fault: &str| Err(format!("priority {} {fault}", index + 1));
        if it.provider.is_none() && it.device.is_none() && it.connection.is_none() {
            return said("names nobody; give a provider, a device or a connection");
        }
        if it.device.as_deref().is_some_and(|it| it.trim().is_empty()) {
            return said("has an empty device, which is in every name; leave it out or name one");
        }
        if let (Some(from), Some(to)) = (it.from, it.to)
            && from >= to
        {
            return said(&format!("ends ({to}) before it begins ({from}); exchange `from` and `to`"));
        }
        if self.priorities[..index].contains(it) {
            return said("is there twice; the second one does nothing, so remove it");
        }
        Ok(())
    }
}

fn check_field(field: &str, preference: &FieldPreference) -> Result<(), String> {
    let Some((_, is_number)) = FIELDS.iter().find(|it| it.0 == field) else {
        let names: Vec<_> = FIELDS.iter().map(|it| it.0).collect();
        return Err(format!("fields has {field:?}, which is no field; there are {}", names.join(", ")));
    };
    match preference {
        FieldPreference::Highest | FieldPreference::Lowest if !is_number => {
            Err(format!("fields has {field:?}, which is no number; prefer a provider or a device for it"))
        }
        FieldPreference::Provider(name) | FieldPreference::Device(name) if name.trim().is_empty() => {
            Err(format!("fields prefers nobody for {field:?}; name a provider or a device, or leave the field out"))
        }
        _ => Ok(()),
    }
}

/// What is wrong with a rule by itself.
fn fault_of(rule: &FilterRule) -> Option<String> {
    let when = &rule.when;
    if rule.name.trim().is_empty() || rule.name.chars().count() > TEXT_CHARACTERS_MAX {
        return Some(format!("has no name that can be told; give it one of 1 to {TEXT_CHARACTERS_MAX} characters"));
    }
    let is_workout_rule = matches!(rule.then, Then::Rename { .. } | Then::Retype { .. });
    match &rule.then {
        Then::Skip if *when == When::default() => {
            return Some("would leave out everything; say in `when` what it is about, or disable the config".into());
        }
        Then::RouteElsewhere { .. } if *when == When::default() => {
            return Some(
                "would route everything elsewhere; say in `when` what it is about, or change the config".into(),
            );
        }
        Then::Delay { seconds } if *seconds > DELAY_SECONDS_MAX => {
            return Some(format!("delays by {seconds} seconds; give at most {DELAY_SECONDS_MAX}, which is a day"));
        }
        Then::Rename { to } => {
            if let Some(fault) = fault_of_template(to) {
                return Some(fault);
            }
        }
        _ => {}
    }
    fault_of_conditions(when, is_workout_rule)
}

/// Why conditions can never hold.
fn fault_of_conditions(when: &When, is_workout_rule: bool) -> Option<String> {
    let texts = [
        ("sport_detail_contains", &when.sport_detail_contains),
        ("title_contains", &when.title_contains),
        ("notes_contain", &when.notes_contain),
        ("device", &when.device),
        ("provider", &when.provider),
    ];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.chars().count() > TEXT_CHARACTERS_MAX {
            return Some(format!("has no text in `{name}` to look for; give 1 to {TEXT_CHARACTERS_MAX} characters"));
        }
    }
    let asks_for_workout =
        !when.sports.is_empty() || when.sport_detail_contains.is_some() || when.notes_contain.is_some();
    let has_none = !when.data_types.is_empty() && !when.data_types.contains(&DataType::Workout);
    if has_none && (asks_for_workout || is_workout_rule) {
        return Some("never holds: it is about workouts, but `data_types` has none; add `workout`".into());
    }
    if when.time_of_day.is_some_and(|it| it.from == it.to) {
        return Some("never holds: its `time_of_day` ends where it begins; give two different times".into());
    }
    let is_reversed = |min: Option<u32>, max: Option<u32>| min.zip(max).is_some_and(|(min, max)| min > max);
    if is_reversed(when.min_duration_seconds, when.max_duration_seconds) {
        return Some("never holds: its least duration is above its greatest; exchange them".into());
    }
    if is_reversed(when.min_distance_m, when.max_distance_m) {
        return Some("never holds: its least distance is above its greatest; exchange them".into());
    }
    None
}

fn fault_of_template(to: &str) -> Option<String> {
    let words = format!("{TITLE}, {SPORT} and {DATE}");
    if to.trim().is_empty() || to.trim() == TITLE {
        return Some(format!("changes no title; write what it is to be, with {words} where they are to stand"));
    }
    if to.chars().count() > TEXT_CHARACTERS_MAX || to.matches(TITLE).count() > 1 {
        return Some(format!("makes titles that are too long; use {TITLE} once and {TEXT_CHARACTERS_MAX} characters"));
    }
    let rest = [TITLE, SPORT, DATE].iter().fold(to.to_owned(), |rest, it| rest.replace(it, ""));
    rest.contains(['{', '}']).then(|| format!("has braces around what is not known; there are {words}"))
}

/// What is wrong with a rule that comes after another.
fn fault_after(before: &FilterRule, rule: &FilterRule) -> Option<String> {
    if before.name == rule.name {
        return Some("is there twice; give each rule a name of its own".into());
    }
    if ends(&before.then) && ends(&rule.then) && before.when.covers(&rule.when) {
        let name = &before.name;
        return Some(format!(
            "is never reached: {name:?} decides all that it is about; put it before that, or remove it"
        ));
    }
    match (&before.then, &rule.then) {
        (Then::Rename { .. }, Then::Rename { .. }) | (Then::Retype { .. }, Then::Retype { .. })
            if rule.when.covers(&before.when) =>
        {
            let name = &before.name;
            Some(format!("undoes {name:?} wherever that holds; put it before that, or remove one of them"))
        }
        (Then::Retype { sport: first }, Then::Retype { sport: second })
            if rule.when.sports.contains(first) || before.when.sports.contains(second) =>
        {
            let name = &before.name;
            Some(format!(
                "and {name:?} retype in a chain, but each sees the source's sport; let both name the last one"
            ))
        }
        _ => None,
    }
}

/// Whether a rule decides for good, so that those after it are not looked at.
const fn ends(then: &Then) -> bool {
    matches!(then, Then::Skip | Then::Delay { .. } | Then::RouteElsewhere { .. })
}
