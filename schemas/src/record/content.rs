//! The content of a record as bytes, to be compared and hashed.

use super::{BloodPressure, Body, Entity, Nothing, Nutrition, Quantity, Record, Series, Sleep};
use crate::workout::{Column, Lap, Streams, Workout};
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the form below. Another form would make every record look changed.
const FORM: u8 = 1;

impl Record {
    /// What the record says, as bytes that are equal exactly if two records say the same.
    ///
    /// In it are the data type, first and last moment, whether it is a daily total, whether it is deleted, and the
    /// values. Not in it are the origin, the policy, offset and zone, and whether the record is final: who told it,
    /// and what may be done with it, do not change what it says.
    ///
    /// The form never changes. It is the byte 1, then fields in the order of the Rust types. A field is its name (as
    /// in JSON; a text), one byte that says what follows, and the value. All numbers are big endian, a length has
    /// eight bytes.
    ///
    /// | byte | value |
    /// |---|---|
    /// | `b` | nothing follows: the flag is set |
    /// | `i` | a whole number, eight bytes, two's complement |
    /// | `f` | a number, IEEE 754 binary64; NaN is `7ff8000000000000`, minus zero is zero |
    /// | `t` | a text: its length in bytes, then UTF-8 |
    /// | `I`, `F`, `T` | a list of the above: how many, then each |
    /// | `g` | fields: their length in bytes, then the fields |
    /// | `G` | a list of those: how many, then each |
    ///
    /// What is absent, false, an empty list or group, or a column without a measured value is left out, so that a
    /// field that is added later changes nothing for the records that do not have it.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let mut to = Fields(vec![FORM]);
        to.text("data_type", self.data_type.name());
        to.whole("start", self.time.start.0);
        to.whole("end", self.time.end.0);
        to.flag("is_daily_total", self.is_daily_total);
        to.flag("deleted", self.deleted);
        match &self.body {
            Body::Nothing(Nothing {}) => {}
            Body::Quantity(it) => to.group("quantity", quantity(it)),
            Body::Series(it) => to.group("series", series(it)),
            Body::Workout(it) => to.group("workout", workout(it)),
            Body::Sleep(it) => to.group("sleep", sleep(it)),
            Body::BloodPressure(it) => to.group("blood_pressure", blood_pressure(it)),
            Body::Nutrition(it) => to.group("nutrition", nutrition(it)),
            Body::Entity(it) => to.group("entity", entity(it)),
        }
        to.0
    }
}

// Each type is taken apart by name, so that a new field does not compile before it is thought of here.

fn quantity(Quantity { value }: &Quantity) -> Fields {
    let mut to = Fields::default();
    to.number("value", Some(*value));
    to
}

fn series(Series { offsets_ms, values }: &Series) -> Fields {
    let mut to = Fields::default();
    to.wholes("offsets_ms", offsets_ms);
    to.numbers("values", values);
    to
}

fn workout(it: &Workout) -> Fields {
    let Workout {
        sport,
        sport_detail,
        title,
        notes,
        moving_ms,
        distance_m,
        energy_kcal,
        ascent_m,
        heart_rate_mean,
        heart_rate_max,
        cadence_mean,
        power_mean,
        steps,
        laps,
        streams,
    } = it;
    let mut to = Fields::default();
    to.text("sport", &code(sport));
    to.optional_text("sport_detail", sport_detail.as_deref());
    to.optional_text("title", title.as_deref());
    to.optional_text("notes", notes.as_deref());
    to.optional_whole("moving_ms", *moving_ms);
    to.number("distance_m", *distance_m);
    to.number("energy_kcal", *energy_kcal);
    to.number("ascent_m", *ascent_m);
    to.number("heart_rate_mean", *heart_rate_mean);
    to.number("heart_rate_max", *heart_rate_max);
    to.number("cadence_mean", *cadence_mean);
    to.number("power_mean", *power_mean);
    to.optional_whole("steps", *steps);
    to.groups("laps", laps.iter().map(lap));
    to.group("streams", columns(streams));
    to
}

fn lap(it: &Lap) -> Fields {
    let Lap { offset_ms, elapsed_ms, distance_m, energy_kcal, heart_rate_mean, heart_rate_max } =
        it;
    let mut to = Fields::default();
    to.whole("offset_ms", *offset_ms);
    to.whole("elapsed_ms", *elapsed_ms);
    to.number("distance_m", *distance_m);
    to.number("energy_kcal", *energy_kcal);
    to.number("heart_rate_mean", *heart_rate_mean);
    to.number("heart_rate_max", *heart_rate_max);
    to
}

fn columns(it: &Streams) -> Fields {
    let Streams {
        offsets_ms,
        latitude,
        longitude,
        altitude,
        heart_rate,
        cadence,
        power,
        speed,
        distance,
        temperature,
    } = it;
    let mut to = Fields::default();
    to.wholes("offsets_ms", offsets_ms);
    to.column("latitude", latitude);
    to.column("longitude", longitude);
    to.column("altitude", altitude);
    to.column("heart_rate", heart_rate);
    to.column("cadence", cadence);
    to.column("power", power);
    to.column("speed", speed);
    to.column("distance", distance);
    to.column("temperature", temperature);
    to
}

fn sleep(Sleep { stage_offsets_ms, stage_durations_ms, stages, is_nap }: &Sleep) -> Fields {
    let mut to = Fields::default();
    to.wholes("stage_offsets_ms", stage_offsets_ms);
    to.wholes("stage_durations_ms", stage_durations_ms);
    to.texts("stages", stages.iter().map(code));
    to.flag("is_nap", *is_nap);
    to
}

fn blood_pressure(BloodPressure { systolic, diastolic, pulse }: &BloodPressure) -> Fields {
    let mut to = Fields::default();
    to.number("systolic", Some(*systolic));
    to.number("diastolic", Some(*diastolic));
    to.number("pulse", *pulse);
    to
}

fn nutrition(Nutrition { name, meal, energy_kcal, nutrients_g }: &Nutrition) -> Fields {
    let mut to = Fields::default();
    to.optional_text("name", name.as_deref());
    to.optional_text("meal", meal.as_deref());
    to.number("energy_kcal", *energy_kcal);
    to.group("nutrients_g", by_name(nutrients_g));
    to
}

fn entity(Entity { title, numbers, texts }: &Entity) -> Fields {
    let mut to = Fields::default();
    to.text("title", title);
    to.group("numbers", by_name(numbers));
    let mut by_name = Fields::default();
    for (name, text) in texts {
        by_name.text(name, text);
    }
    to.group("texts", by_name);
    to
}

fn by_name(numbers: &BTreeMap<String, f64>) -> Fields {
    let mut to = Fields::default();
    for (name, number) in numbers {
        to.number(name, Some(*number));
    }
    to
}

/// The name of an enum's value in JSON.
fn code<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(code)) => code,
        _ => String::new(),
    }
}

/// Fields that were written.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn begin(&mut self, name: &str, kind: u8) {
        self.bytes(name.as_bytes());
        self.0.push(kind);
    }

    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.begin(name, b'b');
        }
    }

    fn whole(&mut self, name: &str, value: i64) {
        self.begin(name, b'i');
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn optional_whole(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.whole(name, value);
        }
    }

    fn number(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.begin(name, b'f');
            self.0.extend_from_slice(&canonical(value));
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.begin(name, b't');
        self.bytes(value.as_bytes());
    }

    fn optional_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn wholes(&mut self, name: &str, values: &[i64]) {
        if !values.is_empty() {
            self.begin(name, b'I');
            self.length(values.len());
            self.0.extend(values.iter().flat_map(|it| it.to_be_bytes()));
        }
    }

    fn numbers(&mut self, name: &str, values: &[f64]) {
        if !values.is_empty() {
            self.begin(name, b'F');
            self.length(values.len());
            self.0.extend(values.iter().flat_map(|it| canonical(*it)));
        }
    }

    fn column(&mut self, name: &str, column: &Column) {
        if column.n_measured() > 0 {
            self.numbers(name, &column.0);
        }
    }

    fn texts(&mut self, name: &str, values: impl ExactSizeIterator<Item = String>) {
        if values.len() > 0 {
            self.begin(name, b'T');
            self.length(values.len());
            values.for_each(|it| self.bytes(it.as_bytes()));
        }
    }

    fn group(&mut self, name: &str, fields: Self) {
        if !fields.0.is_empty() {
            self.begin(name, b'g');
            self.bytes(&fields.0);
        }
    }

    fn groups(&mut self, name: &str, groups: impl ExactSizeIterator<Item = Self>) {
        if groups.len() > 0 {
            self.begin(name, b'G');
            self.length(groups.len());
            groups.for_each(|it| self.bytes(&it.0));
        }
    }
}

/// One form for the many of NaN and the two of zero.
fn canonical(value: f64) -> [u8; 8] {
    let bits = if value.is_nan() {
        0x7ff8_0000_0000_0000
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    bits.to_be_bytes()
}
