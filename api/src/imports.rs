//! Files that a person gives.

use crate::{
    app::{Shared, Web},
    auth::Person,
    edge::body_problem,
    extract::{OptionalKey, parse_id},
    jobs::accepted,
    problem::{Code, Problem, Problems},
    views::Accepted,
};
use axum::{
    extract::{
        FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
    response::Response,
};
use engine::{
    people::{Connection, ConnectionState},
    provider::{DataProvider, Part},
};
use schemas::id::{ConnectionId, Subject};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{Seek, Write},
    sync::Arc,
};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

/// The provider that cuts files.
const FILES: &str = "files";
/// The account of what was given to this server itself.
const UPLOADS: &str = "uploads";
/// The most destinations of one import.
const DESTINATIONS_MAX: usize = 16;
/// The most bytes of a field that is not the file.
const FIELD_BYTES_MAX: usize = 256;
/// The most characters of a file's name that are looked at.
const NAME_CHARS_MAX: usize = 255;

/// The form of an import.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a form is read field by field; this is its description")]
pub(crate) struct ImportForm {
    /// The file: FIT, TCX, GPX, or an Apple Health export.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The id of a connection to write to; may be given several times.
    #[schema(value_type = Vec<uuid::Uuid>)]
    destination: Vec<ConnectionId>,
}

/// Imports a file to destinations. Without a key, the same file to the same destinations is the same job.
#[utoipa::path(post, path = "/v1/imports", operation_id = "import_file", tag = "imports",
    request_body(content = ImportForm, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header, description = "New for every command; 1 to 255 characters.")),
    responses((status = 202, description = "Accepted.", body = Accepted,
        headers(("Location" = String, description = "Where its status is."))), Problems))]
pub(crate) async fn import(
    State(web): State<Shared>,
    Person(subject): Person,
    OptionalKey(key): OptionalKey,
    request: Request,
) -> Result<Response, Problem> {
    let permit = web.imports.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new(Code::Busy, "other imports are under way; send this one again"))?;
    let form = Multipart::from_request(request, &web).await.map_err(|_| {
        Problem::new(Code::UnsupportedMediaType, "send the file as `Content-Type: multipart/form-data`")
    })?;
    let received = receive(&web, form).await?;
    let destinations = destinations(&web, &subject, &received.destinations).await?;
    let key = key.unwrap_or_else(|| received.own_key());
    let source = source(&web, &subject).await?;
    let parts = cut(&web, received, permit).await?;
    let id = web.app.intake.deliver(&subject, &key, &source, &destinations, parts).await?;
    Ok(accepted(id))
}

/// A form, read to its end.
struct Received {
    /// The file, which has no name on the disk: it is gone when it is closed.
    file: File,
    name: String,
    digest: String,
    destinations: Vec<ConnectionId>,
}

impl Received {
    fn own_key(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.digest);
        let mut destinations: Vec<_> = self.destinations.iter().map(ToString::to_string).collect();
        destinations.sort();
        for destination in destinations {
            digest.update(destination);
        }
        format!("sha256:{}", hex::encode(digest.finalize()))
    }
}

async fn receive(web: &Web, mut form: Multipart) -> Result<Received, Problem> {
    let (mut file, mut destinations) = (None, Vec::new());
    while let Some(field) = form.next_field().await.map_err(|err| form_problem(web, &err))? {
        match field.name() {
            Some("file") if file.is_none() => file = Some(receive_file(web, field).await?),
            Some("destination") if destinations.len() < DESTINATIONS_MAX => {
                let id = parse_id(&text(web, field).await?)
                    .map_err(|_| Problem::new(Code::Invalid, "destination: must be the id of a connection"))?;
                destinations.push(ConnectionId(id));
            }
            Some("file") => return Err(Problem::new(Code::Invalid, "file: one import takes one file")),
            Some("destination") => {
                return Err(Problem::new(Code::Invalid, format!("destination: at most {DESTINATIONS_MAX}")));
            }
            _ => return Err(Problem::new(Code::Invalid, "the form has a field that is neither file nor destination")),
        }
    }
    let (file, name, digest) = file.ok_or_else(|| Problem::new(Code::Invalid, "file: is missing"))?;
    Ok(Received { file, name, digest, destinations })
}

async fn receive_file(web: &Web, mut field: Field<'_>) -> Result<(File, String, String), Problem> {
    let bytes_max = web.app.limits.import_bytes_max;
    let name: String = field.file_name().unwrap_or_default().chars().take(NAME_CHARS_MAX).collect();
    let mut file = tempfile::tempfile().map_err(|err| disk_problem(&err))?;
    let (mut digest, mut n_bytes) = (Sha256::new(), 0_usize);
    while let Some(chunk) = field.chunk().await.map_err(|err| form_problem(web, &err))? {
        n_bytes = n_bytes.saturating_add(chunk.len());
        if n_bytes > bytes_max {
            return Err(Problem::new(Code::TooLarge, format!("file: may have at most {bytes_max} bytes")));
        }
        digest.update(&chunk);
        file = blocking(move || file.write_all(&chunk).map(|()| file)).await?.map_err(|err| disk_problem(&err))?;
    }
    Ok((file, name, hex::encode(digest.finalize())))
}

async fn text(web: &Web, mut field: Field<'_>) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|err| form_problem(web, &err))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FIELD_BYTES_MAX {
            return Err(Problem::new(Code::Invalid, "a field of the form is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(Code::Invalid, "a field of the form is no text"))
}

/// The connections to write to: each must be there, active, and take something.
async fn destinations(web: &Web, subject: &Subject, ids: &[ConnectionId]) -> Result<Vec<Connection>, Problem> {
    if ids.is_empty() {
        return Err(Problem::new(Code::Invalid, "destination: at least one is needed"));
    }
    let accounts = &web.app.connect.accounts;
    let mut found: Vec<Connection> = Vec::new();
    for id in ids {
        let connection = accounts.people.connection(subject, *id).await?.map(|it| it.1);
        let connection = connection
            .filter(|it| it.state != ConnectionState::Disconnected)
            .ok_or_else(|| Problem::new(Code::NotFound, format!("no connection {id}")))?;
        if connection.state == ConnectionState::NeedsReauth {
            return Err(Problem::new(Code::NeedsReauth, format!("connection {id} must be connected again")));
        }
        let takes = accounts.catalog.get(&connection.provider).map(|it| it.profile());
        if !takes.is_some_and(|it| it.types.iter().any(|it| it.create.is_some())) {
            let detail = format!("nothing can be written to {}; choose another destination", connection.provider);
            return Err(Problem::new(Code::Impossible, detail));
        }
        if found.iter().all(|it| it.id != connection.id) {
            found.push(connection);
        }
    }
    Ok(found)
}

/// The connection that imported files come from; made on first use.
async fn source(web: &Web, subject: &Subject) -> Result<Connection, Problem> {
    let connect = &web.app.connect;
    let id = ConnectionId::derived(subject, FILES, UPLOADS);
    match connect.accounts.people.connection(subject, id).await? {
        Some((_, connection)) if connection.state == ConnectionState::Active => Ok(connection),
        _ => Ok(connect.place(subject, FILES, UPLOADS, None).await?),
    }
}

/// Cuts a file into pages. The permit is given back when the thread has ended, whatever became of the request.
async fn cut(web: &Web, received: Received, permit: OwnedSemaphorePermit) -> Result<Vec<Part>, Problem> {
    let files = web.app.connect.accounts.catalog.get(FILES).cloned();
    let files = files.ok_or_else(|| Problem::new(Code::Impossible, "this server takes no files"))?;
    let pages_bytes_max = web.app.limits.import_pages_bytes_max;
    blocking(move || {
        let _permit = permit;
        pages(&files, received, pages_bytes_max)
    })
    .await?
}

fn pages(files: &Arc<dyn DataProvider>, received: Received, pages_bytes_max: usize) -> Result<Vec<Part>, Problem> {
    let Received { mut file, name, .. } = received;
    file.rewind().map_err(|err| disk_problem(&err))?;
    let refused = |err: engine::provider::SplitError| Problem::new(Code::Impossible, format!("file: {err}"));
    let (mut parts, mut n_bytes) = (Vec::new(), 0_usize);
    for part in files.split(Box::new(file), &name).map_err(refused)? {
        let part = part.map_err(refused)?;
        n_bytes = n_bytes.saturating_add(part.body.len());
        if n_bytes > pages_bytes_max {
            let detail = format!("file: holds more than {pages_bytes_max} bytes; export a shorter time");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        parts.push(part);
    }
    Ok(parts)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|err| {
        tracing::error!(%err, "reading a file did not end");
        Problem::new(Code::Internal, "a fault of ours, which was noted")
    })
}

fn form_problem(web: &Web, err: &MultipartError) -> Problem {
    if err.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let bytes_max = web.app.limits.import_bytes_max;
        return Problem::new(Code::TooLarge, format!("file: may have at most {bytes_max} bytes"));
    }
    body_problem(err)
}

fn disk_problem(err: &std::io::Error) -> Problem {
    tracing::error!(%err, "a file that was sent cannot be kept on the disk");
    Problem::new(Code::Busy, "the file cannot be kept for now; send it again")
}
