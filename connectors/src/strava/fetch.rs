//! Reading: listings, then each activity with its streams.

use super::{fault, marker, normalize, streams, wire};
use bytes::Bytes;
use engine::{
    provider::{FetchRequest, Found, Page, ProviderError, RawPage, Verb, What},
    session::{Reply, Session},
};
use reqwest::Method;
use schemas::{
    data_type::DataType,
    time::{Instant, Interval},
};
use serde_json::Value;

/// The media type of our pages: a JSON object whose `activities` hold each answer as it came.
pub(super) const CONTENT_TYPE: &str = "application/vnd.syncwell.strava+json";

/// How many activities a page holds. Two calls an activity: few enough for a page to fit a quarter-hour's reads.
const ACTIVITIES_PER_PAGE: usize = 5;

/// The most that Strava gives in one page of a listing.
const LISTED_PER_PAGE: usize = 200;

/// The last page of a listing that is asked for: 100,000 activities in one window.
const LISTING_PAGES_MAX: u32 = 500;

/// One page of [`DataProvider::fetch`](engine::provider::DataProvider::fetch).
pub(super) async fn fetch(session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
    if request.data_type != DataType::Workout {
        return Err(ProviderError::Unsupported { what: format!("reading {}", request.data_type) });
    }
    let cursor = request.cursor.as_deref().map(cursor).transpose()?;
    match &request.what {
        What::Window(window) => {
            let (mut cursor, listed_at) = match cursor {
                Some(it) if it.page == 0 => return Err(foreign_cursor()),
                Some(it) if !it.ids.is_empty() => (it, None),
                last => {
                    let last = last.unwrap_or(wire::Cursor { page: 0, first: 0, ids: Vec::new() });
                    let listing = list(session, *window, last.page + 1).await?;
                    let ids: Vec<u64> = listing.activities.iter().filter_map(|it| it.id).collect();
                    let Some(first) = ids.first().copied() else {
                        return Ok(page("{\"activities\":[]}".into(), None, listing.at));
                    };
                    if last.page > 0 && first == last.first {
                        return Err(ProviderError::Malformed { what: "the listing repeats a page".into() });
                    }
                    (wire::Cursor { page: last.page + 1, first, ids }, listing.at)
                }
            };
            let (body, at) = gather(session, &mut cursor.ids).await?;
            // An empty listing is the end, not an empty rest of one.
            Ok(page(body, Some(&cursor), listed_at.or(at)))
        }
        What::Look(window) => {
            let last = cursor.unwrap_or(wire::Cursor { page: 0, first: 0, ids: Vec::new() });
            let listing = list(session, *window, last.page + 1).await?;
            let Some(first) = listing.activities.first().and_then(|it| it.id) else {
                return Ok(page("{\"activities\":[]}".into(), None, listing.at));
            };
            if last.page > 0 && first == last.first {
                return Err(ProviderError::Malformed { what: "the listing repeats a page".into() });
            }
            let entries = listing.raw.iter().map(|it| format!("{{\"activity\":{it},\"streams\":null}}"));
            let body = format!("{{\"activities\":[{}]}}", entries.collect::<Vec<_>>().join(","));
            let next = wire::Cursor { page: last.page + 1, first, ids: Vec::new() };
            Ok(page(body, Some(&next), listing.at))
        }
        What::Named(ids) => {
            let named: Vec<u64> = ids.iter().map(|it| parse(it)).collect::<Result<_, _>>()?;
            let mut cursor = match cursor {
                Some(it) if it.page != 0 || !named.ends_with(&it.ids) => {
                    return Err(foreign_cursor());
                }
                Some(it) => it,
                None => wire::Cursor { page: 0, first: 0, ids: named },
            };
            let (body, at) = gather(session, &mut cursor.ids).await?;
            Ok(page(body, (!cursor.ids.is_empty()).then_some(&cursor), at))
        }
    }
}

fn page(body: String, next: Option<&wire::Cursor>, provider_time: Option<Instant>) -> Page {
    // A struct of numbers always has a JSON form.
    let next = next.and_then(|it| serde_json::to_string(it).ok());
    Page { body: Bytes::from(body), content_type: CONTENT_TYPE.into(), next, provider_time }
}

fn cursor(text: &str) -> Result<wire::Cursor, ProviderError> {
    let cursor: wire::Cursor = serde_json::from_str(text).map_err(|_| foreign_cursor())?;
    let fits = cursor.page == 0 || (cursor.page <= LISTING_PAGES_MAX && cursor.ids.len() <= LISTED_PER_PAGE);
    if fits { Ok(cursor) } else { Err(foreign_cursor()) }
}

fn foreign_cursor() -> ProviderError {
    ProviderError::Malformed { what: "the cursor is not one of this listing; start the window again".into() }
}

/// An id that may go into a path.
pub(super) fn parse(id: &str) -> Result<u64, ProviderError> {
    wire::parse_id(id).ok_or_else(|| ProviderError::Refused { reason: "the id is not one of a strava activity".into() })
}

struct Listing {
    activities: Vec<wire::Activity>,
    raw: Vec<Value>,
    at: Option<Instant>,
}

/// One page of the listing of activities that start in `window`. Strava's bounds are whole seconds, both excluded,
/// and so are its starts.
async fn list(session: &Session, window: Interval, page: u32) -> Result<Listing, ProviderError> {
    if page > LISTING_PAGES_MAX {
        return Err(ProviderError::Malformed { what: format!("more than {LISTING_PAGES_MAX} pages in one listing") });
    }
    let after = window.from.0.saturating_sub(1).div_euclid(1000).max(0);
    let before = window.to.0.saturating_add(999).div_euclid(1000).max(0);
    let path = format!("/athlete/activities?after={after}&before={before}&page={page}&per_page={LISTED_PER_PAGE}");
    let reply = session.send(Verb::Read, session.api(Method::GET, &path)).await?;
    if !reply.status.is_success() {
        return Err(fault::of_api(&reply, Verb::Read));
    }
    let raw: Vec<Value> = reply.json()?;
    if raw.len() > LISTED_PER_PAGE {
        return Err(ProviderError::Malformed { what: format!("more than {LISTED_PER_PAGE} activities in one page") });
    }
    let activities: Vec<wire::Activity> =
        raw.iter().map(|it| serde_json::from_value(it.clone()).unwrap_or_default()).collect();
    if activities.iter().any(|it| it.id.is_none()) {
        return Err(ProviderError::Malformed { what: "an entry of the listing has no id".into() });
    }
    Ok(Listing { activities, raw, at: reply.provider_time() })
}

/// Every summary of a window, as it came.
async fn list_all(session: &Session, window: Interval) -> Result<Vec<(wire::Activity, Value)>, ProviderError> {
    let mut all: Vec<(wire::Activity, Value)> = Vec::new();
    let mut first = None;
    for page in 1..=LISTING_PAGES_MAX {
        let listing = list(session, window, page).await?;
        let Some(begins) = listing.activities.first().and_then(|it| it.id) else { return Ok(all) };
        if first.replace(begins) == Some(begins) {
            return Err(ProviderError::Malformed { what: "the listing repeats a page".into() });
        }
        all.extend(listing.activities.into_iter().zip(listing.raw));
    }
    Err(ProviderError::Malformed { what: format!("more than {LISTING_PAGES_MAX} pages in one listing") })
}

/// The entries of the next ids, which it takes away, as the body of a page.
async fn gather(session: &Session, ids: &mut Vec<u64>) -> Result<(String, Option<Instant>), ProviderError> {
    let mut body = String::from("{\"activities\":[");
    let mut at = None;
    let mut n_read = 0;
    while let Some(id) = ids.get(n_read).copied() {
        if n_read == ACTIVITIES_PER_PAGE {
            break;
        }
        let (entry, answered) = entry(session, id).await?;
        // A page that would grow beyond the cap ends here; the id is read again as the first of the next one.
        if n_read > 0 && body.len() + entry.len() + 3 > engine::provider::PAGE_BYTES_MAX {
            break;
        }
        if n_read > 0 {
            body.push(',');
        }
        body.push_str(&entry);
        at = at.or(answered);
        n_read += 1;
    }
    ids.drain(..n_read);
    body.push_str("]}");
    Ok((body, at))
}

/// The entry of one activity: detail and streams as they came, or a tombstone if it is gone.
async fn entry(session: &Session, id: u64) -> Result<(String, Option<Instant>), ProviderError> {
    let Some((activity, reply)) = detail(session, id).await? else {
        return Ok((format!("{{\"id\":{id},\"deleted\":true}}"), None));
    };
    // An activity that was typed in has no streams, and a call saved is one of a hundred.
    let streams = if activity.manual == Some(true) { "null".into() } else { measured(session, id).await? };
    Ok((format!("{{\"activity\":{},\"streams\":{streams}}}", text(&reply)?), reply.provider_time()))
}

/// An activity in its detailed form; `None` if it is not there.
pub(super) async fn detail(session: &Session, id: u64) -> Result<Option<(wire::Activity, Reply)>, ProviderError> {
    let path = format!("/activities/{id}?include_all_efforts=false");
    let reply = session.send(Verb::Read, session.api(Method::GET, &path)).await?;
    if reply.status.as_u16() == 404 {
        return Ok(None);
    }
    if !reply.status.is_success() {
        return Err(fault::of_api(&reply, Verb::Read));
    }
    let activity: wire::Activity = reply.json()?;
    if activity.id != Some(id) {
        return Err(ProviderError::Malformed { what: "the answer is not the activity that was asked for".into() });
    }
    Ok(Some((activity, reply)))
}

async fn measured(session: &Session, id: u64) -> Result<String, ProviderError> {
    let path = format!("/activities/{id}/streams?keys={}&key_by_type=true", streams::KEYS);
    let reply = session.send(Verb::Read, session.api(Method::GET, &path)).await?;
    if reply.status.as_u16() == 404 {
        return Ok("null".into());
    }
    if !reply.status.is_success() {
        return Err(fault::of_api(&reply, Verb::Read));
    }
    // Only what is JSON may be put into the page.
    reply.json::<serde::de::IgnoredAny>()?;
    text(&reply).map(str::to_owned)
}

fn text(reply: &Reply) -> Result<&str, ProviderError> {
    std::str::from_utf8(&reply.body).map_err(|_| ProviderError::Malformed { what: "the answer is not UTF-8".into() })
}

/// Everything that starts in a window: ours with streams, others by their summary, which is what matching needs.
/// A description is only in the detailed form, so an activity made by hand is read in full to see a mark.
pub(super) async fn find(session: &Session, window: Interval) -> Result<Vec<Found>, ProviderError> {
    let mut found = Vec::new();
    for (activity, raw) in list_all(session, window).await? {
        let Some(id) = activity.id else { continue };
        let is_ours = activity.external_id.as_deref().is_some_and(|it| marker::of_external_id(it).is_some());
        let body = if is_ours || activity.manual == Some(true) {
            format!("{{\"activities\":[{}]}}", entry(session, id).await?.0)
        } else {
            Value::Array(vec![raw]).to_string()
        };
        let raw =
            RawPage { data_type: Some(DataType::Workout), content_type: CONTENT_TYPE, body: body.as_bytes(), name: "" };
        let normal = normalize::normalize(&raw).map_err(|err| ProviderError::Malformed { what: err.to_string() })?;
        found.extend(normal.records.into_iter().filter(|it| !it.deleted).map(|record| Found {
            external_id: record.origin.record.clone(),
            marker: record.origin.marker.clone(),
            record,
        }));
    }
    Ok(found)
}

/// The id of the activity that carries this item's mark, if one starts in the window. The detailed form, which alone
/// has a description, is read of those only that were made by hand.
pub(super) async fn marked(session: &Session, item: &str, window: Interval) -> Result<Option<u64>, ProviderError> {
    for (listed, _) in list_all(session, window).await? {
        let Some(id) = listed.id else { continue };
        let is_ours = match listed.manual {
            Some(true) => detail(session, id).await?.is_some_and(|(it, _)| is_marked(&it, item)),
            _ => is_marked(&listed, item),
        };
        if is_ours {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether an activity carries the mark of that item.
pub(super) fn is_marked(activity: &wire::Activity, item: &str) -> bool {
    let by_id = activity.external_id.as_deref().and_then(marker::of_external_id);
    let by_line = marker::split(activity.description.as_deref().unwrap_or("")).1;
    by_id.or(by_line).as_deref() == Some(item)
}
