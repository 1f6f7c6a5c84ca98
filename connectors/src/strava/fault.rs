//! Strava's errors, named by what happens next.

use super::{profile, wire};
use engine::{
    provider::{ProviderError, Usage, Verb},
    session::Reply,
};
use reqwest::header::HeaderMap;
use schemas::time::Instant;

const QUARTER_MS: i64 = 15 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The scopes that a person can untick (Strava's authentication page).
const SCOPES: [&str; 7] =
    ["read", "read_all", "profile:read_all", "profile:write", "activity:read", "activity:read_all", "activity:write"];

/// The error of an answer of the API that is not a success.
pub(super) fn of_api(reply: &Reply, verb: Verb) -> ProviderError {
    let items = items(reply);
    match reply.status.as_u16() {
        401 => match items.iter().find_map(missing_scope) {
            Some(scope) => ProviderError::Forbidden {
                reason: format!("the scope {scope} was not granted; connect again and leave it ticked"),
            },
            None if items.iter().any(is_refresh_token) => ProviderError::AccessRevoked,
            None => ProviderError::TokenExpired,
        },
        429 => ProviderError::Throttled { until: until(reply) },
        400 | 422 => ProviderError::Refused { reason: codes(reply.status.as_u16(), &items) },
        _ => reply.error(verb),
    }
}

/// The error of an answer of the token endpoint that is not a success.
pub(super) fn of_token(reply: &Reply) -> ProviderError {
    let items = items(reply);
    let is_grant_invalid = fault(reply).error.as_deref() == Some("invalid_grant");
    match reply.status.as_u16() {
        400 | 401 if is_grant_invalid || items.iter().any(is_refresh_token) => ProviderError::AccessRevoked,
        status @ (400 | 401 | 403) => ProviderError::Refused { reason: codes(status, &items) },
        429 => ProviderError::Throttled { until: until(reply) },
        // A code or refresh token may be spent although the answer is an error.
        _ => reply.error(Verb::Write),
    }
}

/// What both pairs of usage headers say. Values that are missing (Strava sends `,` on writes) are left out.
pub(super) fn usage(headers: &HeaderMap) -> Vec<Usage> {
    let pairs = [
        ("x-ratelimit-limit", "x-ratelimit-usage", [profile::QUARTER, profile::DAY]),
        ("x-readratelimit-limit", "x-readratelimit-usage", [profile::READS_QUARTER, profile::READS_DAY]),
    ];
    let numbers = |name: &str| {
        let text = headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
        let mut parts = text.split(',').map(|it| it.trim().parse::<u32>().ok());
        [parts.next().flatten(), parts.next().flatten()]
    };
    let mut usages = Vec::with_capacity(4);
    for (limit, used, names) in pairs {
        let both = numbers(limit).into_iter().zip(numbers(used));
        usages.extend(
            names
                .into_iter()
                .zip(both)
                .filter_map(|(name, (limit, used))| Some(Usage { name, used: used?, limit: limit? })),
        );
    }
    usages
}

/// The end of the window that is used up, by Strava's own clock; `None` if it did not send its time.
fn until(reply: &Reply) -> Option<Instant> {
    let now = reply.provider_time()?;
    if let Some(at) = reply.retry_after(now) {
        return Some(at);
    }
    let is_day = |it: &Usage| it.used >= it.limit && [profile::DAY, profile::READS_DAY].contains(&it.name);
    let window_ms = if usage(&reply.headers).iter().any(is_day) { DAY_MS } else { QUARTER_MS };
    Some(Instant(now.0.div_euclid(window_ms).saturating_add(1).saturating_mul(window_ms)))
}

fn fault(reply: &Reply) -> wire::Fault {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

fn items(reply: &Reply) -> Vec<wire::FaultItem> {
    fault(reply).errors.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect()
}

fn missing_scope(item: &wire::FaultItem) -> Option<&'static str> {
    let scope = item.field.as_deref()?.strip_suffix("_permission")?;
    // Words of our own list, never those of the answer.
    (item.code.as_deref() == Some("missing"))
        .then(|| SCOPES.into_iter().find(|it| *it == scope).unwrap_or("that is needed"))
}

fn is_refresh_token(item: &wire::FaultItem) -> bool {
    item.resource.as_deref() == Some("RefreshToken") || item.field.as_deref() == Some("refresh_token")
}

/// The provider's stable codes, such as `status 400: RequestToken code invalid`.
fn codes(status: u16, items: &[wire::FaultItem]) -> String {
    let word = |it: &Option<String>| {
        let is_code = |it: &&str| {
            (1..=40).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_alphabetic() || b"_:".contains(&it))
        };
        it.as_deref().filter(is_code).map(str::to_owned)
    };
    let mut text = format!("status {status}");
    for (index, item) in items.iter().take(3).enumerate() {
        let words: Vec<String> = [&item.resource, &item.field, &item.code].into_iter().filter_map(word).collect();
        text.push_str(if index == 0 { ": " } else { ", " });
        text.push_str(&words.join(" "));
    }
    text
}
