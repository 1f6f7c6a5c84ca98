//! Uploads: taken at once, processed for a while, an activity or an error in the end.

use super::{Simulator, answer, render, state::Upload};
use axum::{
    body::Body,
    extract::{Multipart, Path, State},
    http::{HeaderMap, Response},
};
use schemas::{record::Record, time::Instant};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

/// Strava's own words.
const PROCESSING: &str = "Your activity is still being processed.";
const READY: &str = "Your activity is ready.";
const FAILED: &str = "There was an error processing your activity.";
const DELETED: &str = "The created activity has been deleted.";

/// Reads the fields of a form, the file apart.
async fn fields(mut form: Multipart) -> Option<(HashMap<String, String>, Option<(String, Vec<u8>)>)> {
    let (mut texts, mut file) = (HashMap::new(), None);
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        if name == "file" {
            let file_name = field.file_name().unwrap_or("").to_owned();
            file = Some((file_name, field.bytes().await.ok()?.to_vec()));
        } else {
            texts.insert(name, field.text().await.ok()?);
        }
    }
    Some((texts, file))
}

/// `POST /uploads`. The activity is made at once, as Strava's workers go on whether anybody asks or not; only the
/// upload keeps saying that it is being processed.
pub(super) async fn create(State(simulator): State<Simulator>, headers: HeaderMap, form: Multipart) -> Response<Body> {
    let caller = match answer::caller(&simulator, &headers, "activity:write") {
        Ok(it) => it,
        Err(response) => return *response,
    };
    let Some((texts, file)) = fields(form).await else {
        return answer::fault(400, "Bad Request", ("Upload", "data", "invalid"));
    };
    let Some((file_name, bytes)) = file.filter(|(_, bytes)| !bytes.is_empty()) else {
        return answer::fault(400, "Bad Request", ("Upload", "data", "empty"));
    };
    if texts.get("data_type").map(String::as_str) != Some("fit") {
        return answer::fault(400, "Bad Request", ("Upload", "data_type", "invalid"));
    }
    let record = crate::formats::fit::read(&bytes, &file_name)
        .ok()
        .and_then(|normal| normal.records.into_iter().find(|it| it.data_type == schemas::data_type::DataType::Workout));
    let mut state = simulator.state();
    let id = state.draw();
    let external_id = texts.get("external_id").cloned().unwrap_or_else(|| file_name.clone());
    let athlete = state.athletes.get(&caller.athlete).cloned();
    let result = match record.as_ref().zip(athlete) {
        None => Err("The file is malformed.".to_owned()),
        Some((record, athlete)) => match overlapping(&simulator, &state, caller.athlete, record) {
            Some(text) => Err(format!("{external_id} duplicate of {text}")),
            None => {
                let (detail, streams) = render::recorded(record, &texts, &athlete, &external_id, id);
                Ok(state.add(caller.athlete, detail, Some(streams)))
            }
        },
    };
    let effect = result.as_ref().ok().map(|it| format!("create {it}"));
    let n_polls_left = simulator.options.n_polls;
    let upload =
        Upload { athlete: caller.athlete, external_id: Some(external_id), n_polls_left: n_polls_left.max(1), result };
    let body = view(id, &upload, true);
    state.uploads.insert(id, Upload { n_polls_left, ..upload });
    match effect {
        Some(effect) => answer::changed(201, &body, effect),
        None => answer::json(201, &body),
    }
}

/// The activity of the athlete whose time has a moment in common with the record's, in Strava's words.
fn overlapping(simulator: &Simulator, state: &super::State, athlete: u64, record: &Record) -> Option<String> {
    let (id, held) = state.activities.iter().find(|(_, it)| {
        let Some(start) = it.detail["start_date"].as_str().and_then(Instant::parse) else {
            return false;
        };
        let seconds = it.detail["elapsed_time"].as_f64().unwrap_or(0.0).clamp(1.0, 1e9);
        let span = schemas::time::Interval { from: start, to: start.plus(Duration::from_secs_f64(seconds)) };
        it.athlete == athlete && span.overlaps(&record.time.interval())
    })?;
    let name = held.detail["name"].as_str().unwrap_or("");
    Some(match simulator.options.link_duplicates {
        true => format!("<a href='/activities/{id}' target='_blank'>{name}</a>"),
        false => format!("activity {id}"),
    })
}

fn view(id: u64, upload: &Upload, is_there: bool) -> Value {
    let (external_id, error, status, activity_id) = match &upload.result {
        _ if upload.n_polls_left > 0 => (None, None, PROCESSING, None),
        Ok(_) if !is_there => (upload.external_id.as_ref(), None, DELETED, None),
        Ok(activity) => (upload.external_id.as_ref(), None, READY, Some(*activity)),
        Err(error) => (upload.external_id.as_ref(), Some(error), FAILED, None),
    };
    json!({
        "id": id,
        "id_str": id.to_string(),
        "external_id": external_id,
        "error": error,
        "status": status,
        "activity_id": activity_id,
    })
}

/// `GET /uploads/{id}`.
pub(super) async fn status(
    State(simulator): State<Simulator>,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> Response<Body> {
    let caller = match answer::caller(&simulator, &headers, "activity:write") {
        Ok(it) => it,
        Err(response) => return *response,
    };
    let mut state = simulator.state();
    let Some(upload) = state.uploads.get_mut(&id).filter(|it| it.athlete == caller.athlete) else {
        return answer::missing("Upload");
    };
    let shown = upload.clone();
    upload.n_polls_left = upload.n_polls_left.saturating_sub(1);
    let is_there = shown.result.as_ref().is_ok_and(|it| state.activities.contains_key(it));
    answer::json(200, &view(id, &shown, is_there))
}
