//! What Strava can do, as data.

use engine::provider::{Access, Auth, Delivery, Limit, PAGE_BYTES_MAX, Profile, Scope, TypeProfile, Verbs};
use schemas::data_type::DataType;
use std::time::Duration;

/// Name of the limit on all calls of a quarter-hour.
pub(super) const QUARTER: &str = "quarter";
/// Name of the limit on all calls of a UTC day.
pub(super) const DAY: &str = "day";
/// Name of the limit on reading calls of a quarter-hour.
pub(super) const READS_QUARTER: &str = "reads_quarter";
/// Name of the limit on reading calls of a UTC day.
pub(super) const READS_DAY: &str = "reads_day";

/// The profile.
///
/// Creation is class B: an uploaded file that overlaps an activity is answered by *duplicate of activity N*. A
/// workout without streams cannot be uploaded as a file and is made by `POST /activities`, which detects nothing: it
/// is class C (`Strava::delivery`), claimed, and after a lost answer looked for by the item's mark once the listing
/// surely shows it (`read_after_write`). The connector also looks for the mark itself before it posts.
///
/// Limits: Strava's rate-limit page (200 calls a quarter-hour and 2,000 a day, of which 100 and 1,000 may read);
/// windows begin at natural quarter-hours and at UTC midnight.
#[must_use]
pub(super) fn profile() -> Profile {
    let limit = |name, verbs, minutes: u64, calls_max| Limit {
        name,
        scope: Scope::App,
        verbs,
        window: Duration::from_secs(60 * minutes),
        calls_max,
    };
    Profile {
        id: super::ID,
        title: "Strava",
        access: Access::NotifyThenPull,
        auth: Auth::OAuth2 { pkce: false, refresh_reusable: false },
        types: vec![TypeProfile {
            data_type: DataType::Workout,
            read: true,
            create: Some(Delivery::Deduplicated),
            update: Some(Delivery::Listable { keyed: false }),
            delete: None,
            look: true,
        }],
        limits: vec![
            limit(QUARTER, Verbs::All, 15, 200),
            limit(DAY, Verbs::All, 24 * 60, 2_000),
            limit(READS_QUARTER, Verbs::Reads, 15, 100),
            limit(READS_DAY, Verbs::Reads, 24 * 60, 1_000),
        ],
        // A page holds two answers an activity, as they came.
        body_bytes_max: PAGE_BYTES_MAX / 2 - 1024,
        read_after_write: Duration::from_secs(60),
        reads_back: false,
        // A watch that was out of reach brings its activities days later, under their own start.
        overlap: Duration::from_secs(72 * 3600),
        history_max: None,
        base_url: "https://www.strava.com/api/v3",
        auth_url: "https://www.strava.com",
        token_url: "https://www.strava.com",
        policy: super::normalize::policy(),
        mapper_version: 1,
        api_version: "v3",
    }
}
