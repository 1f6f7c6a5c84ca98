//! What is asked of a Confluent-compatible registry, and what its answers mean.

use schema_registry_converter::{
    async_impl::schema_registry::{SrSettings, get_schema_by_id, perform_sr_call, post_schema},
    error::SRCError,
    schema_registry_common::{RawError, SchemaType, SrCall, SuppliedSchema},
};
use std::{error::Error, fmt, time::Duration};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Why something of ours could not be opened, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It may come back by itself: worth waiting for.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody must make something first, and may be about to: worth waiting for.
    #[error("{0}")]
    NotYet(String),
    /// Somebody must change something.
    #[error("{0}")]
    Wrong(String),
}

impl Refused {
    /// Whether waiting may help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotYet(_))
    }
}

/// A registry.
pub(super) struct Client {
    settings: SrSettings,
    http: reqwest::Client,
    url: reqwest::Url,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, Refused> {
        let wrong = |what: &str| Refused::Wrong(format!("registry: {what}; give it as http://host:port/path"));
        let mut url = reqwest::Url::parse(url.trim_end_matches('/')).map_err(|_| wrong("this is no URL"))?;
        let with_user = url.clone();
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(wrong("this URL names no host"));
        }
        let mut builder = SrSettings::new_builder(url.to_string());
        builder.set_timeout(ANSWER_MAX).no_proxy();
        if !user.is_empty() {
            builder.set_basic_authorization(&user, password.as_deref());
        }
        let settings = builder.build().map_err(|_| wrong("no HTTP client can be set up"))?;
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy();
        let http = http.build().map_err(|_| wrong("no HTTP client can be set up"))?;
        Ok(Self { settings, http, url: with_user })
    }

    /// The id of a schema under a subject, if it is registered there.
    pub(super) async fn look_up(&self, subject: &str, text: &str) -> Result<Option<u32>, Refused> {
        let body = serde_json::json!({ "schema": text, "schemaType": "AVRO" }).to_string();
        let call = perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)).await;
        match call {
            Ok(found) => Ok(found.id),
            Err(err) if status(&err) == Some(404) => Ok(None),
            Err(err) => Err(self.failed(&err)),
        }
    }

    /// The text of a schema by its id, if there is one.
    pub(super) async fn text(&self, id: u32) -> Result<Option<String>, Refused> {
        match get_schema_by_id(id, &self.settings).await {
            Ok(found) if found.schema_type == SchemaType::Avro => Ok(Some(found.schema)),
            Ok(_) => Ok(None),
            Err(err) if status(&err) == Some(404) => Ok(None),
            Err(err) => Err(self.failed(&err)),
        }
    }

    /// Number and text of the latest version of a subject.
    pub(super) async fn latest(&self, subject: &str) -> Result<Option<(u32, String)>, Refused> {
        match perform_sr_call(&self.settings, SrCall::GetLatest(subject)).await {
            Ok(found) => Ok(found.version.zip(found.schema)),
            Err(err) if status(&err) == Some(404) => Ok(None),
            Err(err) => Err(self.failed(&err)),
        }
    }

    /// Registers a schema and gives its id.
    pub(super) async fn register(&self, subject: &str, text: &str) -> Result<u32, Refused> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
        match post_schema(&self.settings, subject.to_owned(), schema).await {
            Ok(made) => Ok(made.id),
            Err(err) if status(&err) == Some(409) => Err(Refused::Wrong(format!(
                "the schema registry finds our {subject} not compatible with a version that it has; \
                 look at that version: another build, or somebody else, registered it"
            ))),
            Err(err) => Err(self.failed(&err)),
        }
    }

    /// Lets the registry take only successors that can be read by every reader that could read all before.
    pub(super) async fn set_compatibility(&self, subject: &str) -> Result<(), Refused> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/config/{subject}", url.path().trim_end_matches('/')));
        let body = serde_json::json!({ "compatibility": "BACKWARD_TRANSITIVE" });
        let answer = self.http.put(url).json(&body).send().await.map_err(|_| self.away())?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            401 | 403 => Err(self.denied()),
            status => Err(Refused::Wrong(format!(
                "the schema registry does not take a compatibility level for {subject} (status {status}); \
                 set BACKWARD_TRANSITIVE there by hand"
            ))),
        }
    }

    fn failed(&self, err: &SRCError) -> Refused {
        match status(err) {
            Some(401 | 403) => self.denied(),
            Some(status @ 400..=499) if status != 408 && status != 429 => Refused::Wrong(format!(
                "the schema registry at {} refuses (status {status}); check the path of `registry`",
                self.place()
            )),
            _ => self.away(),
        }
    }

    fn away(&self) -> Refused {
        Refused::Unreachable(format!(
            "the schema registry at {} does not answer; start it, or correct `registry`",
            self.place()
        ))
    }

    fn denied(&self) -> Refused {
        Refused::Wrong(format!(
            "the schema registry at {} does not let us in; check user and password in `registry`",
            self.place()
        ))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.url.port_or_known_default().unwrap_or_default())
    }
}

/// The HTTP status that an error of the library stands for, if there was an answer.
fn status(err: &SRCError) -> Option<u16> {
    // The library keeps the registry's own code (40403), or the status in its words.
    let code = err.source().and_then(|it| it.downcast_ref::<RawError>()).map(|it| it.error_code).unwrap_or(0);
    let code = if code >= 10_000 { code / 100 } else { code };
    if let Some(code) = u16::try_from(code).ok().filter(|it| *it >= 100) {
        return Some(code);
    }
    let (_, words) = err.error.split_once("with status ")?;
    words.split_whitespace().next()?.parse().ok()
}
