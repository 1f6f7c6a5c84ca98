//! Reading: which calls a window takes, and how their answers become pages.
//!
//! A type of ours may have several feeds at Google; the cursor walks through them one after the other, each to its
//! last page. Answers come newest first, so only a window that was read to its end is read.

use super::{
    errors,
    profile::{Feed, Shape, Via, Where, feeds_of, writable},
    recordings::{self, Recordings},
    wire, write,
};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Days, NaiveDate};
use engine::{
    provider::{FetchRequest, PAGES_MAX, Page, ProviderError, Verb, What},
    session::{Reply, Session},
};
use reqwest::Method;
use schemas::time::{Instant, Interval};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The most hours of a series in one page: at one sample a second still fewer than [`POINTS_MAX`].
const SERIES_HOURS_MAX: i64 = 2;
/// Google's greatest page; sleep and exercise have 25.
const POINTS_MAX: u32 = 10_000;
/// A page of other points is smaller, so that it stays far below the greatest body that is read.
const POINTS: u32 = 5_000;
const SESSIONS_MAX: u32 = 25;
/// How many exercises a page has whose recordings are read too: each is a further call.
const RECORDED_MAX: u32 = 10;
/// The longest daily rollup of total calories.
const ROLLUP_DAYS_MAX: u64 = 14;
/// How many records are asked for by name in one page.
const NAMED_MAX: usize = 20;
/// The most answers that one page of a series may take.
const ANSWERS_MAX: usize = 20;
const HOUR_MS: i64 = 3_600_000;
/// Wall clocks are at most this far behind and ahead of UTC.
const BEHIND_MS: i64 = 12 * HOUR_MS;
const AHEAD_MS: i64 = 14 * HOUR_MS;

/// Where to go on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cursor {
    /// Which feed of the type.
    feed: usize,
    /// Where in the window, ms since 1970; or which of the ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    /// Google's token of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The id of the last exercise that was taken of Google's page, if its others did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// How many pages of this feed and stretch were read.
    page: u32,
    /// Hash of the token that led to the page before, to see a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl Cursor {
    fn read(text: Option<&str>) -> Result<Self, ProviderError> {
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_str(text).map_err(|_| malformed("the cursor is none of google_health"))
    }

    fn text(&self) -> String {
        json!(self).to_string()
    }

    /// The cursor of the page that `token` leads to.
    fn follow(&self, token: String) -> Result<Self, ProviderError> {
        let last = Some(hash(&token));
        let is_loop = last == self.last || self.token.as_ref() == Some(&token);
        if is_loop || self.page >= PAGES_MAX {
            return Err(malformed("its page tokens go round in a circle"));
        }
        Ok(Self {
            feed: self.feed,
            at: self.at,
            after: None,
            page: self.page + 1,
            last: self.token.as_deref().map(hash),
            token: Some(token),
        })
    }
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token).get(..8).unwrap_or_default())
}

fn malformed(what: &str) -> ProviderError {
    ProviderError::Malformed { what: what.into() }
}

/// What a list or rollup has in common: whether it is one, and where it goes on.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Listed {
    data_points: Vec<IgnoredAny>,
    rollup_data_points: Vec<IgnoredAny>,
    next_page_token: String,
}

pub(super) async fn fetch(session: &Session, request: &FetchRequest) -> Result<Page, ProviderError> {
    let cursor = Cursor::read(request.cursor.as_deref())?;
    let feeds: Vec<&Feed> = feeds_of(request.data_type).collect();
    if feeds.is_empty() {
        return Err(ProviderError::Unsupported { what: format!("reading {}", request.data_type) });
    }
    match &request.what {
        What::Named(ids) => match writable(request.data_type) {
            Some(feed) => named(session, feed, ids, &cursor).await,
            None => Err(ProviderError::Unsupported {
                what: format!("reading single records of {}; read a window", request.data_type),
            }),
        },
        What::Window(window) | What::Look(window) => {
            let feed = feeds.get(cursor.feed).ok_or_else(|| malformed("the cursor is none of google_health"))?;
            // A look reads no samples.
            let is_recorded = feed.value == Where::Exercise && matches!(request.what, What::Window(_));
            let mut page = if is_recorded {
                exercises(session, feed, *window, &cursor).await?
            } else {
                windowed(session, feed, *window, &cursor).await?
            };
            if page.next.is_none() && cursor.feed + 1 < feeds.len() {
                page.next = Some(Cursor { feed: cursor.feed + 1, ..Cursor::default() }.text());
            }
            Ok(page)
        }
    }
}

async fn windowed(session: &Session, feed: &Feed, window: Interval, cursor: &Cursor) -> Result<Page, ProviderError> {
    if let (Where::Series(_), _) = (feed.value, feed.via) {
        return series(session, feed, window, cursor).await;
    }
    let settings =
        if feed.shape == Shape::Daily || feed.via == Via::DailyRollUp { settings(session).await? } else { None };
    if feed.via == Via::DailyRollUp {
        return daily_rollup(session, feed, window, cursor, settings).await;
    }
    let size = if matches!(feed.value, Where::Sleep | Where::Exercise) { SESSIONS_MAX } else { POINTS };
    let reply = list(session, feed, &filter(feed, window), (cursor.token.as_deref(), size)).await?;
    let listed: Listed = reply.json()?;
    let next = match listed.next_page_token.as_str() {
        "" => None,
        token => Some(cursor.follow(token.to_owned())?.text()),
    };
    Ok(page(body(vec![reply.body.clone()], settings), &reply, next))
}

/// A page of exercises with their recordings: Google's answer as it came, and, where not all recordings fit into one
/// page, which of its exercises are taken (`part`). The others are the next page, for which it is asked again.
async fn exercises(session: &Session, feed: &Feed, window: Interval, cursor: &Cursor) -> Result<Page, ProviderError> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Points {
        data_points: Vec<Value>,
        next_page_token: String,
    }
    let reply = list(session, feed, &filter(feed, window), (cursor.token.as_deref(), RECORDED_MAX)).await?;
    let Points { data_points: points, next_page_token: token } = reply.json()?;
    let is_after = |after: &str| points.iter().position(|it| recordings::id(it) == Some(after));
    // If that one is gone meanwhile, some are read twice rather than one never.
    let from = cursor.after.as_deref().and_then(is_after).map_or(0, |it| it + 1);
    let mut recordings = Recordings::default();
    let mut to = from;
    for point in points.iter().skip(from) {
        if !recordings.add(session, feed, point, reply.body.len()).await? {
            break;
        }
        to += 1;
    }
    let next = if to < points.len() {
        let after = points.iter().take(to).rev().find_map(recordings::id).map(str::to_owned);
        if cursor.page >= PAGES_MAX {
            return Err(malformed("its exercises change faster than they can be read"));
        }
        Some(Cursor { after, page: cursor.page + 1, ..cursor.clone() }.text())
    } else if token.is_empty() {
        None
    } else {
        Some(cursor.follow(token)?.text())
    };
    let member = recordings.member();
    let is_whole = (from, to) == (0, points.len());
    if member.is_empty() && is_whole {
        return Ok(page(reply.body.clone(), &reply, next));
    }
    let part = if is_whole { String::new() } else { format!(",\"part\":{{\"from\":{from},\"to\":{to}}}") };
    let body = [b"{\"answers\":[", reply.body.as_ref(), b"]", member.as_slice(), part.as_bytes(), b"}"].concat();
    Ok(page(body.into(), &reply, next))
}

/// One of Google's pages, of that token and size.
async fn list(
    session: &Session,
    feed: &Feed,
    filter: &str,
    (token, size): (Option<&str>, u32),
) -> Result<Reply, ProviderError> {
    let path = format!(
        "/v4/users/me/dataTypes/{}/dataPoints{}",
        feed.name,
        if feed.via == Via::Reconcile { ":reconcile" } else { "" }
    );
    let mut request = session.api(Method::GET, &path).query(&[("filter", filter), ("pageSize", &size.to_string())]);
    if let Some(token) = token {
        request = request.query(&[("pageToken", token)]);
    }
    errors::success(session.send(Verb::Read, request).await?, Verb::Read)
}

/// Whole hours, so that no page cuts one: what is asked for may be a part of an hour, what is read never is.
async fn series(session: &Session, feed: &Feed, window: Interval, cursor: &Cursor) -> Result<Page, ProviderError> {
    let from = window.from.0.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
    let end = window.to.0.saturating_add(HOUR_MS - 1).div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
    let from = cursor.at.unwrap_or(from);
    let to = from.saturating_add(SERIES_HOURS_MAX * HOUR_MS).min(end);
    let stretch = filter(feed, Interval { from: Instant(from), to: Instant(to) });
    let mut answers = Vec::new();
    let mut at = Cursor::default();
    let reply = loop {
        let reply = list(session, feed, &stretch, (at.token.as_deref(), POINTS_MAX)).await?;
        let listed: Listed = reply.json()?;
        answers.push(reply.body.clone());
        if listed.next_page_token.is_empty() {
            break reply;
        }
        if answers.len() >= ANSWERS_MAX {
            return Err(malformed("two hours of a series take too many pages"));
        }
        at = at.follow(listed.next_page_token)?;
    };
    let next = (to < end).then(|| Cursor { feed: cursor.feed, at: Some(to), ..Cursor::default() }.text());
    Ok(page(body(answers, None), &reply, next))
}

async fn daily_rollup(
    session: &Session,
    feed: &Feed,
    window: Interval,
    cursor: &Cursor,
    settings: Option<Bytes>,
) -> Result<Page, ProviderError> {
    let (first, end) = days(window);
    let first = cursor.at.and_then(DateTime::from_timestamp_millis).map_or(first, |it| it.date_naive());
    let last = first.checked_add_days(Days::new(ROLLUP_DAYS_MAX)).unwrap_or(end).min(end);
    let date = |it: NaiveDate| json!({"date": {"year": it.year(), "month": it.month(), "day": it.day()}});
    let path = format!("/v4/users/me/dataTypes/{}/dataPoints:dailyRollUp", feed.name);
    let request = session
        .api(Method::POST, &path)
        .json(&json!({"range": {"start": date(first), "end": date(last)}, "windowSizeDays": 1}));
    let reply = errors::success(session.send(Verb::Read, request).await?, Verb::Read)?;
    let listed: Listed = reply.json()?;
    if !listed.next_page_token.is_empty() {
        return Err(malformed("fourteen daily sums take more than one page"));
    }
    let at = last.and_hms_opt(0, 0, 0).map(|it| it.and_utc().timestamp_millis());
    let next = (last < end).then(|| Cursor { feed: cursor.feed, at, ..Cursor::default() }.text());
    Ok(page(body(vec![reply.body.clone()], settings), &reply, next))
}

/// The account's settings: a date alone does not say when its midnight was. Without the scope UTC must do.
async fn settings(session: &Session) -> Result<Option<Bytes>, ProviderError> {
    let reply = session.send(Verb::Read, session.api(Method::GET, "/v4/users/me/settings")).await?;
    match errors::success(reply, Verb::Read) {
        Ok(reply) => {
            let _: Value = reply.json()?;
            Ok(Some(reply.body))
        }
        Err(ProviderError::Forbidden { reason }) if !reason.contains("ACCOUNT_NOT_LINKED") => Ok(None),
        Err(ProviderError::NotFound) => Ok(None),
        Err(err) => Err(err),
    }
}

async fn named(session: &Session, feed: &Feed, ids: &[String], cursor: &Cursor) -> Result<Page, ProviderError> {
    let first = usize::try_from(cursor.at.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut here = Vec::new();
    let mut gone = Vec::new();
    let mut last = None;
    let mut recordings = Recordings::default();
    let (mut after, mut n_bytes) = (first, 0);
    let is_recorded = feed.value == Where::Exercise;
    for id in ids.iter().skip(first).take(if is_recorded { RECORDED_MAX as usize } else { NAMED_MAX }) {
        after += 1;
        // What cannot be an id is not there.
        let Ok(name) = write::name(feed, id) else {
            gone.push(id);
            continue;
        };
        let request = session.api(Method::GET, &format!("/v4/{name}"));
        let reply = session.send(Verb::Read, request).await?;
        last = reply.provider_time().or(last);
        match errors::success(reply, Verb::Read) {
            Ok(reply) => {
                let point: Value = reply.json()?;
                n_bytes += reply.body.len();
                if is_recorded && !recordings.add(session, feed, &point, n_bytes).await? {
                    after -= 1;
                    break;
                }
                here.push(reply.body);
            }
            Err(ProviderError::NotFound) => gone.push(id),
            Err(err) => return Err(err),
        }
    }
    let (here, gone, member) = (here.join(&b","[..]), json!(gone).to_string(), recordings.member());
    let body = [b"{\"dataPoints\":[", here.as_slice(), b"],\"gone\":", gone.as_bytes(), &member, b"}"].concat();
    let next = (after < ids.len()).then(|| Cursor { at: i64::try_from(after).ok(), ..Cursor::default() }.text());
    Ok(Page { body: body.into(), content_type: "application/json".into(), next, provider_time: last })
}

fn page(body: Bytes, reply: &Reply, next: Option<String>) -> Page {
    Page { body, content_type: "application/json".into(), next, provider_time: reply.provider_time() }
}

/// One answer as it came; several, or one with settings, as an object that holds each as it came.
fn body(mut answers: Vec<Bytes>, settings: Option<Bytes>) -> Bytes {
    match (answers.len(), settings) {
        (1, None) => answers.pop().unwrap_or_default(),
        (_, settings) => {
            let answers = answers.join(&b","[..]);
            let settings = settings.map_or_else(Vec::new, |it| [b",\"settings\":", it.as_ref()].concat());
            [b"{\"answers\":[", answers.as_slice(), b"]", settings.as_slice(), b"}"].concat().into()
        }
    }
}

/// The civil days that may begin within a window, wherever the person is: the first, and the first after the last.
fn days(window: Interval) -> (NaiveDate, NaiveDate) {
    let first = Instant(window.from.0.saturating_sub(BEHIND_MS)).utc().date_naive();
    let last = Instant(window.to.0.saturating_add(AHEAD_MS)).utc().date_naive();
    (first, last.succ_opt().unwrap_or(last))
}

/// The filter of a window (AIP-160). Google knows `>=` and `<` only; for sessions civil start times, for sleep end
/// times, for daily values dates. A civil range is as wide as wall clocks differ from UTC.
fn filter(feed: &Feed, window: Interval) -> String {
    let name = feed.name.replace('-', "_");
    let (field, from, to) = match feed.shape {
        Shape::Interval => ("interval.start_time", window.from.to_string(), window.to.to_string()),
        Shape::Sample => ("sample_time.physical_time", window.from.to_string(), window.to.to_string()),
        Shape::Sleep => ("interval.end_time", window.from.to_string(), window.to.to_string()),
        Shape::Session => {
            let civil = |ms: i64| wire::civil(Instant(ms), 0).format("%Y-%m-%dT%H:%M:%S").to_string();
            // To the second: rounded down at the start, up at the end.
            let to = window.to.0.saturating_add(AHEAD_MS + 999);
            ("interval.civil_start_time", civil(window.from.0.saturating_sub(BEHIND_MS)), civil(to))
        }
        Shape::Daily => {
            let (first, end) = days(window);
            ("date", first.to_string(), end.to_string())
        }
    };
    format!("{name}.{field} >= \"{from}\" AND {name}.{field} < \"{to}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::data_type::DataType;

    #[track_caller]
    fn check(data_type: DataType, expected: &str) {
        let at = |text| Instant::parse(text).unwrap();
        let window = Interval { from: at("2026-05-03T00:00:00Z"), to: at("2026-05-04T00:00:00Z") };
        let feed = feeds_of(data_type).last().unwrap();
        assert_eq!(filter(feed, window), expected);
    }

    #[test]
    fn every_shape_has_the_filter_that_google_documents() {
        check(
            DataType::Steps,
            r#"steps.interval.start_time >= "2026-05-03T00:00:00Z" AND steps.interval.start_time < "2026-05-04T00:00:00Z""#,
        );
        check(
            DataType::Weight,
            r#"weight.sample_time.physical_time >= "2026-05-03T00:00:00Z" AND weight.sample_time.physical_time < "2026-05-04T00:00:00Z""#,
        );
        check(
            DataType::Sleep,
            r#"sleep.interval.end_time >= "2026-05-03T00:00:00Z" AND sleep.interval.end_time < "2026-05-04T00:00:00Z""#,
        );
        check(
            DataType::Workout,
            r#"exercise.interval.civil_start_time >= "2026-05-02T12:00:00" AND exercise.interval.civil_start_time < "2026-05-04T14:00:00""#,
        );
        check(
            DataType::RestingHeartRate,
            r#"daily_resting_heart_rate.date >= "2026-05-02" AND daily_resting_heart_rate.date < "2026-05-05""#,
        );
    }

    #[test]
    fn a_token_that_comes_again_is_a_loop() {
        let first = Cursor::default().follow("a".into()).unwrap();
        let second = first.follow("b".into()).unwrap();
        assert!(first.follow("a".into()).is_err());
        assert!(second.follow("a".into()).is_err());
        assert!(second.follow("c".into()).is_ok());
        assert!(Cursor { page: PAGES_MAX, ..second }.follow("d".into()).is_err());
    }
}
