//! A small provider: enough of one for an API to delegate to.

use async_trait::async_trait;
use engine::{
    provider::{
        Access, Auth, Authorize, Change, DataProvider, Delivery, FetchRequest, Grant, MapperError, Normal,
        Notification, Page, Part, Profile, ProviderError, RawPage, ReadSeek, Receipt, SplitError, Tokens, TypeProfile,
        VerifyError, WebhookAnswer, WebhookRequest, WebhookSecrets, WriteOperation,
    },
    session::Session,
};
use schemas::{data_type::DataType, record::Policy};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Small(Profile);

impl Small {
    /// Gives steps, to whom a person grants it.
    pub(super) fn watch() -> Self {
        let auth = Auth::OAuth2 { pkce: true, refresh_reusable: false };
        Self(profile("watch", "Watch", auth, true, None))
    }

    /// Takes steps.
    pub(super) fn scale() -> Self {
        Self(profile("scale", "Scale", Auth::None, false, Some(Delivery::Versioned)))
    }

    /// Takes files that begin with `%`, and gives one page a line.
    pub(super) fn files() -> Self {
        Self(profile("files", "Files", Auth::None, true, None))
    }
}

fn profile(id: &'static str, title: &'static str, auth: Auth, read: bool, create: Option<Delivery>) -> Profile {
    let steps = TypeProfile { data_type: DataType::Steps, read, create, update: create, delete: None, look: false };
    Profile {
        id,
        title,
        access: Access::Pull,
        auth,
        types: vec![steps],
        limits: Vec::new(),
        body_bytes_max: 1024,
        read_after_write: Duration::ZERO,
        reads_back: false,
        overlap: Duration::ZERO,
        history_max: None,
        base_url: "",
        auth_url: "",
        token_url: "",
        policy: Policy::default(),
        mapper_version: 1,
        api_version: "1",
    }
}

#[async_trait]
impl DataProvider for Small {
    fn profile(&self) -> &Profile {
        &self.0
    }

    fn authorize_url(&self, it: &Authorize<'_>) -> Option<String> {
        let url = format!("{}/grant?redirect={}&state={}", it.auth_url, it.redirect, it.state);
        (self.0.auth != Auth::None).then_some(url)
    }

    async fn exchange(&self, _: &Session, code: &str, _: &str, _: &str) -> Result<Grant, ProviderError> {
        if code != "good" {
            return Err(ProviderError::Refused { reason: "invalid_grant".into() });
        }
        let tokens = Tokens { access: "a".into(), refresh: None, expires_at: None, scope: String::new() };
        Ok(Grant { tokens, account: "anna-there".into() })
    }

    async fn fetch(&self, _: &Session, _: &FetchRequest) -> Result<Page, ProviderError> {
        Err(ProviderError::NotFound)
    }

    fn normalize(&self, _: &RawPage<'_>) -> Result<Normal, MapperError> {
        Ok(Normal::default())
    }

    async fn write(&self, _: &Session, _: &WriteOperation<'_>) -> Result<Receipt, ProviderError> {
        Err(ProviderError::NotFound)
    }

    fn verify(&self, secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> Result<WebhookAnswer, VerifyError> {
        if request.headers.get("x-secret").is_none_or(|it| it != secrets.verify_token.as_str()) {
            return Err(VerifyError("the secret is missing or another".into()));
        }
        if request.method == "GET" {
            return Ok(WebhookAnswer {
                status: 200,
                body: format!("{{{}}}", request.query),
                notifications: Vec::new(),
            });
        }
        let change =
            Change::Named { data_type: DataType::Steps, ids: vec![String::from_utf8_lossy(request.body).into()] };
        let notification = Notification { account: "anna-there".into(), change };
        Ok(WebhookAnswer { status: 204, body: String::new(), notifications: vec![notification] })
    }

    fn split(
        &self,
        mut file: Box<dyn ReadSeek>,
        name: &str,
    ) -> Result<Box<dyn Iterator<Item = Result<Part, SplitError>> + Send>, SplitError> {
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|err| SplitError(err.to_string()))?;
        let Some(lines) = text.strip_prefix('%') else {
            return Err(SplitError(format!("{name} is no file of ours; give one that begins with %")));
        };
        let part = |it: &str| Ok(Part { content_type: "text/plain".into(), body: it.to_owned().into() });
        Ok(Box::new(lines.lines().map(part).collect::<Vec<_>>().into_iter()))
    }
}
