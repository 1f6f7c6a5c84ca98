//! Which source is the base, and in which order the others are asked: by what they say, never by how they are given.

use super::{MergePolicy, Part, account, device::Device, track::Track};
use schemas::record::{Body, Record, RecordState, RecordingMethod, SleepStage};
use std::cmp::{Ordering, Reverse};

/// What a record is worth as a whole; greater is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    /// How it came to be: typed in 0, computed 1, measured 2.
    grade: u8,
    /// Nothing more is to come.
    is_final: bool,
    has_position: bool,
    n_columns: usize,
    device: u8,
    /// When the provider last changed it; counts for what is taken as a whole.
    modified_at: i64,
    n_samples: usize,
}

/// The places of the parts, the base first.
///
/// The person's word on `start` comes first, then the rank, what the record is worth, and its content. Of nights one
/// with real stages comes before all others, unless `is_by_rank`.
pub(super) fn of(parts: &[Part<'_>], policy: &MergePolicy, is_by_rank: bool) -> Vec<usize> {
    let key = |it: &Part<'_>| {
        let is_preferred = !is_by_rank && is_preferred(it.record, policy);
        let has_stages = !is_by_rank && has_real_stages(it.record);
        (is_unusable(it.record), !is_preferred, !has_stages, it.rank, Reverse(worth(it.record)))
    };
    let mut keyed: Vec<_> = parts.iter().map(key).enumerate().collect();
    keyed.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| compare(parts[a.0].record, parts[b.0].record)));
    let mut order: Vec<usize> = keyed.into_iter().map(|it| it.0).collect();
    prefer_extreme(parts, policy, &mut order);
    order
}

/// Whether the person's policy names the record's source: for what gives the record its values as a whole, or its start.
fn is_preferred(record: &Record, policy: &MergePolicy) -> bool {
    let whole = match &record.body {
        Body::Workout(_) => "start",
        Body::Sleep(_) => "stages",
        _ => "value",
    };
    let prefer = policy.fields.get(whole).or_else(|| policy.fields.get("start"));
    prefer.is_some_and(|it| it.names(&record.origin))
}

/// Puts the part with the highest or lowest value first, where the policy wants that of a quantity.
fn prefer_extreme(parts: &[Part<'_>], policy: &MergePolicy, order: &mut [usize]) {
    let Some(wants_highest) = wants_highest(parts, order, policy) else { return };
    let first = order.first().map(|it| parts[*it].record.data_type);
    let value = |index: usize| match &parts[index].record.body {
        Body::Quantity(it) if Some(parts[index].record.data_type) == first && it.value.is_finite() => Some(it.value),
        _ => None,
    };
    let better = |a: f64, b: f64| if wants_highest { a > b } else { a < b };
    let mut best: Option<(usize, f64)> = None;
    for (place, index) in order.iter().enumerate() {
        if let Some(it) = value(*index)
            && best.is_none_or(|best| better(it, best.1))
        {
            best = Some((place, it));
        }
    }
    if let Some((place, _)) = best {
        order[..=place].rotate_right(1);
    }
}

fn wants_highest(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> Option<bool> {
    use super::{Combine, Prefer};
    use schemas::data_type::DataType;
    let first = parts[*order.first()?].record;
    if !matches!(first.body, Body::Quantity(_)) || policy.combine == Combine::First {
        return None;
    }
    match policy.fields.get("value") {
        Some(Prefer::Highest) => Some(true),
        Some(Prefer::Lowest) => Some(false),
        _ => {
            let is_total =
                matches!(first.data_type, DataType::Distance | DataType::ActiveEnergy | DataType::TotalEnergy);
            (is_total && policy.combine == Combine::HighestTotals).then_some(true)
        }
    }
}

/// Why the first of the order is the base.
pub(super) fn reason(parts: &[Part<'_>], order: &[usize], policy: &MergePolicy) -> (&'static str, &'static str) {
    let (Some(base), Some(next)) = (order.first(), order.get(1)) else { return ("only_source", "no other source") };
    let (base, next) = (parts[*base], parts[*next]);
    let (a, b) = (worth(base.record), worth(next.record));
    match wants_highest(parts, order, policy) {
        Some(true) => return ("highest", "the highest value, as the policy wants"),
        Some(false) => return ("lowest", "the lowest value, as the policy wants"),
        None => {}
    }
    if is_preferred(base.record, policy) {
        ("priority", "named in the person's policy")
    } else if has_real_stages(base.record) != has_real_stages(next.record) {
        ("best_stages", "light, deep and REM sleep over asleep and awake only")
    } else if super::says_the_same(base.record, next.record) {
        ("agreed", "the next source says the same")
    } else if base.rank != next.rank {
        ("first_source", "first in the person's order")
    } else if a.grade != b.grade {
        ("measured", "measured over computed over typed in")
    } else if a.is_final != b.is_final {
        ("first_source", "complete over still being measured")
    } else if a.device != b.device || (a.has_position, a.n_columns) != (b.has_position, b.n_columns) {
        ("best_recording", "measured more, or by a better device")
    } else if a.modified_at != b.modified_at {
        ("latest", "changed last")
    } else {
        ("first_source", "equal in rank and quality: the first by content")
    }
}

/// How a record came to be: typed in 0, computed 1, measured or not known 2.
pub(super) const fn grade(method: RecordingMethod) -> u8 {
    match method {
        RecordingMethod::Manual => 0,
        RecordingMethod::Derived => 1,
        RecordingMethod::Unknown | RecordingMethod::Automatic | RecordingMethod::Active => 2,
    }
}

/// Whether a night tells light, deep or REM sleep apart.
pub(super) fn has_real_stages(record: &Record) -> bool {
    let is_real = |it: &SleepStage| matches!(it, SleepStage::Light | SleepStage::Deep | SleepStage::Rem);
    matches!(&record.body, Body::Sleep(it) if it.stages.iter().any(is_real))
}

fn is_unusable(record: &Record) -> bool {
    record.deleted
        || match &record.body {
            Body::Nothing(_) => true,
            Body::Quantity(it) => !it.value.is_finite(),
            _ => false,
        }
}

fn worth(record: &Record) -> Worth {
    let mut worth = Worth {
        grade: grade(record.origin.method),
        is_final: record.state == RecordState::Final,
        has_position: false,
        n_columns: 0,
        device: Device::of(&record.origin).recording_rank(),
        modified_at: i64::MIN,
        n_samples: 0,
    };
    match &record.body {
        Body::Workout(it) => {
            let counts = Track::counts(&it.streams);
            worth.has_position = counts.n_positions > 0;
            worth.n_columns = counts.n_columns;
            worth.n_samples = it.streams.offsets_ms.len();
        }
        Body::Sleep(it) => worth.n_samples = it.stages.len(),
        _ => worth.modified_at = record.origin.modified_at.map_or(i64::MIN, |it| it.0),
    }
    worth
}

/// A total order of records by what they are: cheap fields first. Equal are only records that say the same.
fn compare(a: &Record, b: &Record) -> Ordering {
    let time = |it: &Record| (it.time.start, it.time.end, it.time.offset_seconds);
    let rest = |it: &Record| (it.policy.retention_days, it.policy.no_ai, it.policy.no_combining, it.is_daily_total);
    time(a)
        .cmp(&time(b))
        .then_with(|| a.origin.provider.cmp(&b.origin.provider))
        .then_with(|| a.origin.record.cmp(&b.origin.record))
        .then_with(|| a.origin.device.cmp(&b.origin.device))
        .then_with(|| a.origin.modified_at.cmp(&b.origin.modified_at))
        .then_with(|| a.time.zone.cmp(&b.time.zone))
        .then_with(|| a.origin.marker.cmp(&b.origin.marker))
        .then_with(|| (a.origin.method as u8).cmp(&(b.origin.method as u8)))
        .then_with(|| (a.state as u8).cmp(&(b.state as u8)))
        .then_with(|| rest(a).cmp(&rest(b)))
        .then_with(|| format!("{:?}", account(&a.origin)).cmp(&format!("{:?}", account(&b.origin))))
        .then_with(|| if super::says_the_same(a, b) { Ordering::Equal } else { a.content().cmp(&b.content()) })
}
