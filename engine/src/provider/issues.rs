//! Every kind of issue that a page can have: the closed set of codes that mappers and the stage behind them give.

/// A kind of issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueKind {
    /// Its stable code.
    pub code: &'static str,
    /// What it says, as a sentence for the documentation.
    pub meaning: &'static str,
    /// Whether a record of the page may be missing for it. Without such issues a page holds all that there was, so
    /// that what is not on it is gone at the source.
    pub may_miss: bool,
}

const fn missing(code: &'static str, meaning: &'static str) -> IssueKind {
    IssueKind { code, meaning, may_miss: true }
}

const fn noted(code: &'static str, meaning: &'static str) -> IssueKind {
    IssueKind { code, meaning, may_miss: false }
}

/// All kinds, by code.
pub const ISSUES: [IssueKind; 22] = [
    missing("bad_checksum", "A file's checksum is not that of its bytes; what could be read was taken."),
    missing("bad_unit", "A value is in a unit that is none of its type; it was left out."),
    noted("duplicate", "The same record or moment was there twice; one was taken."),
    missing("empty", "A session without length and without samples, or a series without samples; it was left out."),
    missing("ends_before_start", "A record ends before it begins; it was left out."),
    missing("future", "A record begins more than a day after it was read; it was left out."),
    missing("malformed", "A record or a part of it is not as its format says; that much was left out."),
    noted("no_end", "A session's end was missing; that of its last sample was taken."),
    noted("no_streams", "A workout's samples could not be had; its summary was taken."),
    missing("no_time", "A record or point has no readable time; it was left out."),
    noted("no_time_zone", "Nothing says how far the person's clock was from UTC."),
    noted("not_finite", "A number was NaN or infinite; that field or moment was left out."),
    missing("out_of_range", "A value is outside of what can be; it was left out."),
    missing("past", "A record begins before 1990; it was left out."),
    noted(
        "repeated_id",
        "Two different records had one id; the one that was changed last, else the later one, was taken.",
    ),
    noted(
        "repeated_time",
        "Two samples had one moment; the later one was taken, its gaps filled from the earlier one.",
    ),
    missing("too_long", "A record is longer than 31 days; it was left out."),
    missing("too_many_samples", "A record has more than 2,000,000 samples; it was left out."),
    missing("truncated", "A file is cut off; what is before that was taken."),
    noted("uneven_columns", "A column was not as long as the times of its samples; that column was left out."),
    missing("unknown_type", "Something of a type that is not taken; it was left out."),
    noted("unsorted", "Samples were not in order of time; they were put in order."),
];

/// Whether a record of a page may be missing for an issue of this code; also for a code of another version.
#[must_use]
pub fn may_miss(code: &str) -> bool {
    ISSUES.iter().find(|it| it.code == code).is_none_or(|it| it.may_miss)
}
