//! Connecting accounts: the OAuth 2.0 authorization code flow (RFC 6749, RFC 7636, RFC 9700), folders, disconnecting,
//! and the notifications of providers.

use crate::{
    accounts::{Accounts, CALL_MAX},
    bus::Unreachable,
    intake::{Intake, Noticed, Refusal},
    people::{Config, Connection, ConnectionState, PendingGrant},
    provider::{Auth, Authorize, Change, ProviderError, WebhookAnswer, WebhookRequest, WebhookSecrets},
    resolve::policy::Policies,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::{ConfigId, ConnectionId, Subject},
};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long a person may take to grant access (RFC 9700: short, single use).
const GRANT_MAX: Duration = Duration::from_secs(600);

/// Connects and disconnects accounts, and hears notifications.
#[derive(Clone, Debug)]
pub struct Connect {
    /// How providers are called.
    pub accounts: Accounts,
    /// Where notifications become syncs.
    pub intake: Intake,
}

/// What a config is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigCommand {
    /// Where to read.
    pub source: ConnectionId,
    /// Where to write.
    pub destination: ConnectionId,
    /// Which types.
    pub data_types: Vec<DataType>,
    /// What happens when both sides have changed a record.
    pub rule: Rule,
    /// What happens when the source's record is gone.
    pub deletes: Deletes,
    /// What else the person wants done with the records.
    pub policies: Policies,
    /// Whether it runs.
    pub enabled: bool,
}

impl Connect {
    /// Begins to connect an account: the page to send the person to.
    ///
    /// # Errors
    /// When there is no such provider, or nothing is to be granted there.
    pub async fn start(&self, subject: &Subject, provider: &str, redirect: &str) -> Result<String, Refusal> {
        let (state, verifier) = (draw_secret()?, draw_secret()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let (found, session) = self.accounts.anonymous(provider).map_err(|err| Refusal::NotFound(err.to_string()))?;
        if session.client.id.is_empty() {
            return Err(Refusal::Impossible(format!(
                "no client is configured for {provider}; set providers.{provider}.client_id and client_secret"
            )));
        }
        let endpoint = self
            .accounts
            .endpoints
            .get(provider)
            .ok_or_else(|| Refusal::NotFound(format!("{provider} is not configured")))?;
        let request = Authorize {
            auth_url: &endpoint.auth_url,
            client_id: &session.client.id,
            redirect,
            state: &state,
            challenge: &challenge,
        };
        let Some(url) = found.authorize_url(&request) else {
            return Err(Refusal::Impossible(format!(
                "{provider} needs no grant; connect a folder or import a file instead"
            )));
        };
        let grant = PendingGrant {
            subject: subject.clone(),
            provider: provider.into(),
            verifier,
            redirect: redirect.into(),
            expires_at: self.accounts.clock.now().plus(GRANT_MAX),
        };
        self.accounts.people.put_grant(&state, &grant).await?;
        Ok(url)
    }

    /// Ends connecting an account: trades the callback's code for tokens, which are stored before they are used.
    ///
    /// # Errors
    /// When the state is not one that was given out, was used before or has ended; when the provider refuses.
    pub async fn callback(
        &self,
        provider: &str,
        state: &str,
        code: &str,
        scope: Option<&str>,
    ) -> Result<(Subject, Connection), Refusal> {
        let grant = self.accounts.people.take_grant(state).await?;
        let Some(grant) = grant.filter(|it| it.provider == provider) else {
            return Err(Refusal::NotFound(
                "this grant is not known, was used before or has ended; connect again".into(),
            ));
        };
        let (found, session) = self.accounts.anonymous(provider).map_err(|err| Refusal::NotFound(err.to_string()))?;
        let mut granted =
            found.exchange(&session, code, &grant.verifier, &grant.redirect).await.map_err(|err| match err {
                ProviderError::Unavailable { .. } | ProviderError::Unknown { .. } | ProviderError::Throttled { .. } => {
                    Refusal::Busy(err.to_string())
                }
                err => Refusal::Impossible(format!("{provider} did not grant access: {err}; connect again")),
            })?;
        if granted.tokens.scope.is_empty() {
            // Some services say what was really granted in the callback alone.
            granted.tokens.scope = scope.unwrap_or_default().into();
        }
        let subject = grant.subject;
        let id = ConnectionId::derived(&subject, provider, &granted.account);
        loop {
            let stands = self.accounts.people.vault.get_tokens(&subject, id).await?.map_or(0, |it| it.0);
            if self.accounts.people.vault.put_tokens(&subject, id, stands, &granted.tokens).await? {
                break;
            }
        }
        let connection = Connection {
            id,
            provider: provider.into(),
            account: granted.account,
            state: ConnectionState::Active,
            scope: granted.tokens.scope,
            base_url: None,
            connected_at: self.accounts.clock.now(),
        };
        self.put(&subject, &connection).await?;
        Ok((subject, connection))
    }

    /// Connects a folder, or another place that needs no grant.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn place(
        &self,
        subject: &Subject,
        provider: &str,
        account: &str,
        base_url: Option<String>,
    ) -> Result<Connection, Refusal> {
        let id = ConnectionId::derived(subject, provider, account);
        let connection = Connection {
            id,
            provider: provider.into(),
            account: account.into(),
            state: ConnectionState::Active,
            scope: String::new(),
            base_url,
            connected_at: self.accounts.clock.now(),
        };
        self.put(subject, &connection).await?;
        Ok(connection)
    }

    async fn put(&self, subject: &Subject, connection: &Connection) -> Result<(), Unreachable> {
        loop {
            let version = self.accounts.people.connection(subject, connection.id).await?.map_or(0, |it| it.0);
            if self.accounts.people.put_connection(subject, version, connection).await? {
                return Ok(());
            }
        }
    }

    /// Disconnects an account: nothing is read or written there any more, our access is revoked at the provider, and
    /// the tokens are destroyed. Says whether the provider heard of it.
    ///
    /// # Errors
    /// When there is no such connection or the store cannot be reached.
    pub async fn disconnect(&self, subject: &Subject, id: ConnectionId) -> Result<bool, Refusal> {
        let Some((_, connection)) = self.accounts.people.connection(subject, id).await? else {
            return Err(Refusal::NotFound(format!("no connection {id}")));
        };
        self.accounts.people.set_state(subject, id, ConnectionState::Disconnected).await?;
        let mut told = true;
        if let (Some((_, tokens)), Ok((provider, mut session))) =
            (self.accounts.people.vault.get_tokens(subject, id).await?, self.accounts.anonymous(&connection.provider))
        {
            session.access_token = Some(tokens.access.clone());
            let revoked = tokio::time::timeout(CALL_MAX, provider.revoke(&session, &tokens)).await;
            told = matches!(revoked, Ok(Ok(()) | Err(ProviderError::TokenExpired | ProviderError::AccessRevoked)));
            if !told {
                tracing::warn!(provider = connection.provider, connection = %id, "the provider was not told that an account was disconnected");
            }
        }
        self.accounts.people.vault.delete_tokens(subject, id).await?;
        Ok(told)
    }

    /// Makes or changes the config between two connections. What cannot work is refused here, before any sync.
    ///
    /// # Errors
    /// [`Refusal::Impossible`] with the reason and what would work.
    pub async fn configure(&self, subject: &Subject, command: &ConfigCommand) -> Result<(i64, Config), Refusal> {
        let config = self.proposed(subject, command).await?;
        let people = &self.accounts.people;
        loop {
            let stands = people.config(subject, config.id).await?;
            if let Some((version, before)) = &stands
                && *before == config
            {
                return Ok((*version, config));
            }
            let version = stands.map_or(0, |it| it.0);
            if people.put_config(subject, version, &config).await? {
                return Ok((version + 1, config));
            }
        }
    }

    /// The config that a command would make, if it can work.
    ///
    /// # Errors
    /// [`Refusal::Impossible`] with the reason and what would work.
    pub async fn proposed(&self, subject: &Subject, command: &ConfigCommand) -> Result<Config, Refusal> {
        let people = &self.accounts.people;
        let find = async |id: ConnectionId| {
            let found = people.connection(subject, id).await?;
            found.map(|it| it.1).ok_or_else(|| Refusal::NotFound(format!("no connection {id}")))
        };
        let (source, destination) = (find(command.source).await?, find(command.destination).await?);
        if command.data_types.is_empty() {
            return Err(Refusal::Impossible("a sync config needs at least one data type".into()));
        }
        for data_type in &command.data_types {
            self.intake.possible(&source, &destination, *data_type)?;
        }
        command.policies.check().map_err(Refusal::Impossible)?;
        self.check_routes(subject, command).await?;
        Ok(Config {
            id: ConfigId::derived(subject, source.id, destination.id),
            source: source.id,
            destination: destination.id,
            data_types: command.data_types.clone(),
            rule: command.rule,
            deletes: command.deletes,
            policies: command.policies.clone(),
            enabled: command.enabled,
        })
    }

    /// Refuses to route records to where nothing would bring them.
    async fn check_routes(&self, subject: &Subject, command: &ConfigCommand) -> Result<(), Refusal> {
        let refused = |rule: &str, fault: &str| Err(Refusal::Impossible(format!("the rule {rule:?} {fault}")));
        for (rule, to) in command.policies.routes() {
            if to == command.destination || to == command.source {
                return refused(&rule.name, "routes records to this very config; name another destination");
            }
            let id = ConfigId::derived(subject, command.source, to);
            let carrying = self.accounts.people.config(subject, id).await?.map(|it| it.1).filter(|it| it.enabled);
            let Some(carrying) = carrying else {
                let fault = "routes records to where nothing is synced from this source; make that config first";
                return refused(&rule.name, fault);
            };
            let wanted = |it: &&DataType| rule.when.data_types.is_empty() || rule.when.data_types.contains(it);
            let left = command.data_types.iter().filter(wanted).find(|it| !carrying.data_types.contains(it));
            if let Some(left) = left {
                let fault =
                    format!("routes {left} to where it is not synced; add it to that config, or name other types");
                return refused(&rule.name, &fault);
            }
        }
        Ok(())
    }

    /// Hears a notification: verified over its raw bytes, then each part becomes a sync of whoever has connected the
    /// account; the answer is given when all are accepted. Unknown accounts are counted and dropped.
    ///
    /// # Errors
    /// `Ok(Err(text))` when it is not believed; [`Refusal`] when it could not be taken.
    pub async fn notified(
        &self,
        provider: &str,
        request: &WebhookRequest<'_>,
    ) -> Result<Result<WebhookAnswer, String>, Refusal> {
        let unknown = || Refusal::NotFound(format!("no provider is called {provider}"));
        let found = self.accounts.catalog.get(provider).ok_or_else(unknown)?;
        let endpoint = self.accounts.endpoints.get(provider).ok_or_else(unknown)?;
        let now = self.accounts.clock.now();
        let secrets =
            WebhookSecrets { now, client_secret: endpoint.client.secret.clone(), ..endpoint.webhooks.clone() };
        let answer = match found.verify(&secrets, request) {
            Ok(answer) => answer,
            Err(err) => {
                metrics::counter!("syncwell_notifications_total", "provider" => found.profile().id, "class" => "refused").increment(1);
                return Ok(Err(err.0));
            }
        };
        let body = hex::encode(Sha256::digest(request.body));
        let arrived = format!("{body}/{}", now.0);
        for notification in &answer.notifications {
            let people = self.accounts.people.connected_to(provider, &notification.account).await?;
            let class = if people.is_empty() { "unknown" } else { "taken" };
            metrics::counter!("syncwell_notifications_total", "provider" => found.profile().id, "class" => class)
                .increment(1);
            for (subject, connection) in people {
                let occasion = match &notification.change {
                    // Who names records says when (Strava's `event_time`): the same body is the same notification.
                    Change::Named { .. } | Change::Revoked => &body,
                    // Who names stretches does not (Google): the next change there may be told of in the same words,
                    // so none is swallowed; one that is sent again costs a reading that changes nothing.
                    Change::Windows { .. } => &arrived,
                };
                self.take(&subject, connection, &notification.change, occasion).await?;
            }
        }
        Ok(Ok(answer))
    }

    async fn take(&self, subject: &Subject, id: ConnectionId, change: &Change, occasion: &str) -> Result<(), Refusal> {
        let Some((_, connection)) = self.accounts.people.connection(subject, id).await? else { return Ok(()) };
        match change {
            Change::Revoked => self.accounts.people.note_revoked(subject, &connection).await?,
            Change::Named { data_type, ids } => {
                self.intake.notified(subject, &connection, *data_type, Noticed::Named(ids.clone()), occasion).await?;
            }
            Change::Windows { data_type, windows } => {
                for window in windows {
                    self.intake.notified(subject, &connection, *data_type, Noticed::Window(*window), occasion).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether accounts at a provider are connected by a grant.
    #[must_use]
    pub fn needs_grant(&self, provider: &str) -> bool {
        self.accounts.catalog.get(provider).is_some_and(|it| it.profile().auth != Auth::None)
    }
}

/// 256 random bits, as text that fits a URL (RFC 9700: at least 128).
///
/// # Errors
/// When the system gives no randomness.
pub fn draw_secret() -> Result<String, Refusal> {
    Ok(URL_SAFE_NO_PAD.encode(draw_key()?))
}

/// 256 random bits.
///
/// # Errors
/// When the system gives no randomness.
pub fn draw_key() -> Result<[u8; 32], Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|err| Refusal::Busy(format!("no randomness: {err}")))?;
    Ok(bytes)
}
