//! Writing: file uploads, hand-made activities and changes of an activity's words.

use super::{fault, fetch, marker, sport, wire};
use engine::{
    provider::{Action, ProviderError, Receipt, Verb, WriteOperation},
    session::{Reply, Session},
};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use schemas::{
    id::ItemId,
    record::{Body, Record},
    time::Interval,
    workout::Workout,
};
use std::time::Duration;

/// How long to wait before asking after an upload. Strava asks for at least a second; its mean is eight.
const UPLOAD_WAIT: Duration = Duration::from_secs(2);

/// How far around a workout a hand-made copy is looked for: Strava may read the local start in another zone.
const LOOK_AROUND: Duration = Duration::from_secs(86_400);

/// Whether a workout goes to Strava as a file: one without streams is typed in.
pub(super) fn is_uploaded(record: &Record) -> bool {
    matches!(&record.body, Body::Workout(workout) if !workout.streams.offsets_ms.is_empty())
}

/// Brings one operation to Strava.
pub(super) async fn write(session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
    match operation.action {
        Action::Create { record } => {
            let workout = workout(record)?;
            if is_uploaded(record) {
                upload(session, operation.item, record, workout).await
            } else {
                create(session, operation.item, record, workout).await
            }
        }
        Action::Update { external_id, record } => update(session, operation.item, external_id, record).await,
        Action::Delete { .. } => {
            Err(ProviderError::Unsupported { what: "deleting an activity; the person can do it at strava".into() })
        }
    }
}

fn workout(record: &Record) -> Result<&Workout, ProviderError> {
    match &record.body {
        Body::Workout(workout) => Ok(workout),
        _ => Err(ProviderError::Refused { reason: "strava keeps nothing but workouts".into() }),
    }
}

fn title(workout: &Workout) -> &str {
    // Strava insists on a name.
    workout.title.as_deref().unwrap_or("Workout")
}

async fn upload(session: &Session, item: ItemId, record: &Record, workout: &Workout) -> Result<Receipt, ProviderError> {
    let name = marker::external_id(item);
    let bytes =
        crate::formats::fit::write(record, &item.to_string()).map_err(|reason| ProviderError::Refused { reason })?;
    let file = Part::bytes(bytes)
        .file_name(name.clone())
        .mime_str("application/octet-stream")
        .map_err(|_| ProviderError::Refused { reason: "the upload cannot be put together".into() })?;
    let (sport_type, is_trainer) = sport::to_strava(workout.sport, workout.sport_detail.as_deref());
    let mut form = Form::new()
        .text("data_type", "fit")
        .text("external_id", name)
        .text("name", title(workout).to_owned())
        // Not in the specification; the file says the sport too.
        .text("sport_type", sport_type)
        .part("file", file);
    if let Some(notes) = &workout.notes {
        form = form.text("description", notes.clone());
    }
    if is_trainer {
        form = form.text("trainer", "1");
    }
    let reply = session.send(Verb::Write, session.api(Method::POST, "/uploads").multipart(form)).await?;
    match (reply.status.as_u16(), reply.json::<wire::Upload>()) {
        (200..=299, Ok(upload)) => settle(session, item, &upload).await,
        (200..=299, Err(_)) => Err(unreadable()),
        // Some refusals carry the upload's own error.
        (400 | 409 | 422, Ok(upload)) if upload.error.is_some() => settle(session, item, &upload).await,
        _ => Err(fault::of_api(&reply, Verb::Write)),
    }
}

/// A success that cannot be read: the record may be there.
fn unreadable() -> ProviderError {
    ProviderError::Unknown { what: "a success that cannot be read".into() }
}

/// Asks after an upload.
pub(super) async fn poll(session: &Session, item: ItemId, handle: &str) -> Result<Receipt, ProviderError> {
    let id = wire::parse_id(handle)
        .ok_or_else(|| ProviderError::Refused { reason: "the handle is not one of a strava upload".into() })?;
    let reply = session.send(Verb::Read, session.api(Method::GET, &format!("/uploads/{id}"))).await?;
    match reply.status.as_u16() {
        200..=299 => settle(session, item, &reply.json()?).await,
        404 => Err(ProviderError::Unknown { what: "the upload is not known at strava any more".into() }),
        _ => Err(fault::of_api(&reply, Verb::Read)),
    }
}

async fn settle(session: &Session, item: ItemId, upload: &wire::Upload) -> Result<Receipt, ProviderError> {
    if let Some(id) = upload.activity_id {
        return Ok(Receipt::Applied { external_id: id.to_string() });
    }
    if let Some(error) = upload.error.as_deref().filter(|it| !it.is_empty()) {
        let Some(id) = duplicate_of(error) else {
            return Err(ProviderError::Refused { reason: "strava could not make an activity of the file".into() });
        };
        let ours = match fetch::detail(session, id).await {
            Ok(held) => held.is_some_and(|(held, _)| fetch::is_marked(&held, &item.to_string())),
            // One that we may not see is not ours.
            Err(ProviderError::Forbidden { .. }) => false,
            Err(err) => return Err(err),
        };
        return Ok(Receipt::Duplicate { external_id: id.to_string(), ours });
    }
    if upload.status.as_deref().is_some_and(|it| it.contains("deleted")) {
        return Err(ProviderError::Refused { reason: "the person deleted the activity at strava".into() });
    }
    match upload.id {
        Some(id) => Ok(Receipt::Pending { handle: id.to_string(), wait: UPLOAD_WAIT }),
        None => Err(unreadable()),
    }
}

/// The activity that an upload's error names: `run.fit duplicate of activity 8319193780`, or with a link
/// (`… duplicate of <a href='/activities/8319193780' …`). The digits of the file's name come before it.
pub(super) fn duplicate_of(error: &str) -> Option<u64> {
    let (_, rest) = error.split_once("duplicate of")?;
    let digits = rest.trim_start_matches(|it: char| !it.is_ascii_digit());
    let end = digits.find(|it: char| !it.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end).filter(|it| !it.is_empty())?.parse().ok()
}

/// Makes an activity by hand, unless one with the item's mark is there already (see `profile.rs`).
async fn create(session: &Session, item: ItemId, record: &Record, workout: &Workout) -> Result<Receipt, ProviderError> {
    let around = Interval { from: record.time.start, to: record.time.start }.widened(LOOK_AROUND);
    if let Some(id) = fetch::marked(session, &item.to_string(), around).await? {
        return Ok(Receipt::Duplicate { external_id: id.to_string(), ours: true });
    }
    let (sport_type, is_trainer) = sport::to_strava(workout.sport, workout.sport_detail.as_deref());
    let elapsed_seconds = record.time.end.since(record.time.start).as_secs();
    let mut form = vec![
        ("name", title(workout).to_owned()),
        ("sport_type", sport_type.to_owned()),
        ("start_date_local", local_start(record)?),
        ("elapsed_time", elapsed_seconds.to_string()),
        ("description", marker::signed(workout.notes.as_deref(), item)),
    ];
    if let Some(distance) = workout.distance_m {
        form.push(("distance", distance.to_string()));
    }
    if is_trainer {
        form.push(("trainer", "1".into()));
    }
    let reply = session.send(Verb::Write, session.api(Method::POST, "/activities").form(&form)).await?;
    applied(&reply)
}

/// The start on the person's clock, with its offset (ISO 8601).
fn local_start(record: &Record) -> Result<String, ProviderError> {
    let refused = || ProviderError::Refused {
        reason: "strava takes the local start of a workout without streams, and its offset from UTC is not known"
            .into(),
    };
    let offset = record.time.offset_seconds.and_then(chrono::FixedOffset::east_opt).ok_or_else(refused)?;
    Ok(record.time.start.utc().with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn applied(reply: &Reply) -> Result<Receipt, ProviderError> {
    if !reply.status.is_success() {
        return Err(fault::of_api(reply, Verb::Write));
    }
    match reply.json::<wire::Activity>().ok().and_then(|it| it.id) {
        Some(id) => Ok(Receipt::Applied { external_id: id.to_string() }),
        None => Err(unreadable()),
    }
}

/// Changes name, description and sport. The activity is read first: to keep the mark where it is, and because what
/// Strava cannot change must not be reported as changed.
async fn update(session: &Session, item: ItemId, external_id: &str, record: &Record) -> Result<Receipt, ProviderError> {
    let workout = workout(record)?;
    let id = fetch::parse(external_id)?;
    let (held, _) = fetch::detail(session, id).await?.ok_or(ProviderError::NotFound)?;
    if let Some(what) = unchangeable(&held, record, workout) {
        return Err(ProviderError::Refused { reason: format!("strava cannot change the {what} of an activity") });
    }
    let is_signed = marker::split(held.description.as_deref().unwrap_or("")).1.is_some();
    let notes = workout.notes.as_deref();
    let description = if is_signed { marker::signed(notes, item) } else { notes.unwrap_or("").to_owned() };
    let (sport_type, is_trainer) = sport::to_strava(workout.sport, workout.sport_detail.as_deref());
    let mut form = vec![("name", title(workout)), ("description", &description), ("sport_type", sport_type)];
    // The flag is part of the sport for these alone; elsewhere it is the person's own.
    if ["Run", "Ride", "Rowing"].contains(&sport_type) {
        form.push(("trainer", if is_trainer { "1" } else { "0" }));
    }
    let request = session.api(Method::PUT, &format!("/activities/{id}")).form(&form);
    applied(&session.send(Verb::Write, request).await?)
}

/// What of a record differs from the activity so much that an update cannot bring it. Strava computes duration and
/// distance anew from a file, so small differences are its own.
fn unchangeable(held: &wire::Activity, record: &Record, workout: &Workout) -> Option<&'static str> {
    let start = held.start_date.as_deref().and_then(schemas::time::Instant::parse)?;
    if record.time.start.since(start).max(start.since(record.time.start)) > Duration::from_secs(60) {
        return Some("start");
    }
    let elapsed = record.time.end.since(record.time.start).as_secs_f64();
    if held.elapsed_time.is_some_and(|it| (it - elapsed).abs() > 60.0) {
        return Some("duration");
    }
    let distance = workout.distance_m.zip(held.distance);
    distance.is_some_and(|(is, was)| (is - was).abs() > 50.0 + 0.02 * is.abs()).then_some("distance")
}
