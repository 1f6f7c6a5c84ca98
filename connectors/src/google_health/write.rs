//! Bringing an operation to Google. The id of what we create is the item's id, so that a second create of the same
//! item is refused with 409 and no second record can come of a lost answer.

use super::{
    errors::{self, Status},
    points::{self, WallClock},
    profile::{self, Feed},
    project,
};
use engine::{
    provider::{Action, ProviderError, Receipt, Verb, WriteOperation},
    session::{Reply, Session},
};
use reqwest::Method;
use schemas::{data_type::DataType, record::Record};
use serde::Deserialize;
use serde_json::{Value, json};

/// Answer to a write (google.longrunning.Operation).
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Operation {
    done: bool,
    error: Option<Status>,
}

pub(super) async fn write(session: &Session, operation: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
    match operation.action {
        Action::Create { record } => create(session, &operation.item.to_string(), record).await,
        Action::Update { external_id, record } => {
            let feed = feed(record.data_type)?;
            if record.data_type == DataType::Nutrition {
                return Err(ProviderError::Unsupported { what: "changing a nutrition log".into() });
            }
            update(session, feed, external_id, record).await
        }
        Action::Delete { external_id, data_type } => delete(session, feed(data_type)?, external_id).await,
    }
}

fn feed(data_type: DataType) -> Result<&'static Feed, ProviderError> {
    profile::writable(data_type).ok_or_else(|| ProviderError::Unsupported { what: format!("writing {data_type}") })
}

/// The resource name of a point of the person who granted access. Ids come from Google or from us; one that could
/// change the path is none.
pub(super) fn name(feed: &Feed, id: &str) -> Result<String, ProviderError> {
    let is_id = (1..=128).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    if is_id { Ok(format!("users/me/dataTypes/{}/dataPoints/{id}", feed.name)) } else { Err(ProviderError::NotFound) }
}

fn body(feed: &Feed, id: &str, record: &Record) -> Result<Value, ProviderError> {
    let mut point = project::point(record).map_err(|reason| ProviderError::Refused { reason })?;
    point["name"] = json!(name(feed, id)?);
    Ok(point)
}

async fn create(session: &Session, id: &str, record: &Record) -> Result<Receipt, ProviderError> {
    let feed = feed(record.data_type)?;
    let path = format!("/v4/users/me/dataTypes/{}/dataPoints", feed.name);
    let request = session.api(Method::POST, &path).json(&body(feed, id, record)?);
    let reply = session.send(Verb::Write, request).await?;
    if reply.status.as_u16() == 409 && errors::status_of(&reply).is_already_exists() {
        return exists(session, feed, id, record).await;
    }
    match settled(reply)? {
        None => Ok(Receipt::Applied { external_id: id.into() }),
        Some(status) if status.is_already_exists() => exists(session, feed, id, record).await,
        Some(status) => Err(errors::of_operation(&status)),
    }
}

/// A record of that id is there, and only we make such ids: an earlier attempt's answer was lost. What it holds is
/// brought to what is wanted.
async fn exists(session: &Session, feed: &'static Feed, id: &str, record: &Record) -> Result<Receipt, ProviderError> {
    let reply = session.send(Verb::Read, session.api(Method::GET, &format!("/v4/{}", name(feed, id)?))).await?;
    let reply = errors::success(reply, Verb::Read).map_err(|err| match err {
        // There a moment ago and not to be read now: only a later look can tell.
        ProviderError::NotFound => ProviderError::Unknown { what: "a record that exists cannot be read yet".into() },
        other => other,
    })?;
    let point: Value = reply.json()?;
    let held = points::map(feed, &point, &WallClock::default()).ok().flatten().map(|it| it.record);
    let wanted = project::project(record).map_err(|reason| ProviderError::Refused { reason })?;
    if held.is_some_and(|it| it.time == wanted.time && it.body == wanted.body) {
        return Ok(Receipt::Applied { external_id: id.into() });
    }
    if record.data_type == DataType::Nutrition {
        return Ok(Receipt::Duplicate { external_id: id.into(), ours: true });
    }
    update(session, feed, id, record).await
}

async fn update(session: &Session, feed: &Feed, id: &str, record: &Record) -> Result<Receipt, ProviderError> {
    let path = format!("/v4/{}", name(feed, id)?);
    // The method knows no update mask (discovery document): the point is replaced as a whole.
    let reply = session.send(Verb::Write, session.api(Method::PATCH, &path).json(&body(feed, id, record)?)).await?;
    match settled(reply)? {
        None => Ok(Receipt::Applied { external_id: id.into() }),
        Some(status) => Err(errors::of_operation(&status)),
    }
}

async fn delete(session: &Session, feed: &Feed, id: &str) -> Result<Receipt, ProviderError> {
    let path = format!("/v4/users/me/dataTypes/{}/dataPoints:batchDelete", feed.name);
    let request = session.api(Method::POST, &path).json(&json!({"names": [name(feed, id)?]}));
    match settled(session.send(Verb::Write, request).await?)? {
        None => Ok(Receipt::Applied { external_id: id.into() }),
        Some(status) => Err(errors::of_operation(&status)),
    }
}

/// `None` when the write is done, the status when Google says that it failed.
fn settled(reply: Reply) -> Result<Option<Status>, ProviderError> {
    let reply = errors::success(reply, Verb::Write)?;
    // A success that cannot be read may have been one.
    let unknown = |what: &str| ProviderError::Unknown { what: what.into() };
    let operation: Operation = reply.json().map_err(|_| unknown("the answer to a write is no operation"))?;
    match operation {
        Operation { error: Some(status), .. } => Ok(Some(status)),
        Operation { done: true, .. } => Ok(None),
        // Google finishes these operations at once; one that is still running is looked for later.
        Operation { .. } => Err(unknown("the operation is still running")),
    }
}
