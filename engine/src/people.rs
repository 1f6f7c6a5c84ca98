//! People, their connections and their sync configs: sealed rows changed by compare-and-set.

use crate::{
    bus::Unreachable,
    clock::Clock,
    columns::{pack, unpack},
    provider::Access,
    resolve::policy::Policies,
    store::{RowKey, Rows},
    vault::Vault,
};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule, Stretch},
    id::{ConfigId, ConnectionId, Subject},
    time::Instant,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// An account of a person at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Which provider.
    pub provider: String,
    /// The provider's id of the account; for a folder, its path.
    pub account: String,
    /// How it stands.
    pub state: ConnectionState,
    /// The scopes that were granted.
    pub scope: String,
    /// Where its service is, if not where the provider's configuration says: a folder's `file://` URL.
    pub base_url: Option<String>,
    /// When it was last connected.
    pub connected_at: Instant,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// It works.
    Active,
    /// Access was withdrawn at the provider: the person must connect again.
    NeedsReauth,
    /// The person disconnected it here.
    Disconnected,
}

/// What a person wants synced from one connection to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Its id.
    pub id: ConfigId,
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
    /// What else the person wants done with the records. A row of before there was any has none; one that says what
    /// this build does not know is not read, rather than half understood.
    #[serde(default)]
    pub policies: Policies,
    /// Whether it runs.
    pub enabled: bool,
}

/// How far one type of one connection has been read for one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Up to where everything has been read, without an unread hole.
    pub covered_through: Option<Instant>,
    /// What was left out: unread or refused, oldest first, at most [`GAPS_MAX`].
    pub gaps: Vec<Stretch>,
}

/// The most gaps that are listed for one connection, type and destination.
pub const GAPS_MAX: usize = 1_000;

/// Where a person is sent back to, until the callback comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingGrant {
    /// Who connects.
    pub subject: Subject,
    /// To which provider.
    pub provider: String,
    /// PKCE verifier.
    pub verifier: String,
    /// The redirect that was sent.
    pub redirect: String,
    /// When it ends (ten minutes).
    pub expires_at: Instant,
}

/// An access token of the API, as it is kept: never the token itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Whose it is.
    pub subject: Subject,
    /// When it ends.
    pub expires_at: Option<Instant>,
    /// What it is called: who did something, as the audit names them.
    pub label: String,
    /// Whether it may be used to look at and repair the whole installation.
    #[serde(default)]
    pub operator: bool,
}

/// Whether a person lets analysts see what is released of their records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalyticsConsent {
    /// Whether they said yes.
    pub enabled: bool,
    /// When they last changed their mind; absent if they never said anything.
    pub changed_at: Option<Instant>,
}

impl AnalyticsConsent {
    /// Whether what happened at that moment may be released: not what happened before they said yes.
    #[must_use]
    pub fn covers(&self, at: Instant) -> bool {
        self.enabled && self.changed_at.is_some_and(|it| it <= at)
    }
}

/// The rows of people.
#[derive(Clone, Debug)]
pub struct People {
    /// Where they are kept.
    pub rows: Arc<dyn Rows>,
    /// What seals them.
    pub vault: Vault,
    /// The time.
    pub clock: Clock,
}

impl People {
    /// A connection of a person, with its version.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn connection(
        &self,
        subject: &Subject,
        id: ConnectionId,
    ) -> Result<Option<(i64, Connection)>, Unreachable> {
        self.get(subject, "connection", &id.to_string()).await
    }

    /// All connections of a person.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn connections(&self, subject: &Subject) -> Result<Vec<Connection>, Unreachable> {
        self.list(subject, "connection").await
    }

    /// Sets a connection if its version is still `expected`; names it so that notifications find it.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put_connection(
        &self,
        subject: &Subject,
        expected: i64,
        connection: &Connection,
    ) -> Result<bool, Unreachable> {
        let name = self.account_name(&connection.provider, &connection.account);
        self.put(subject, "connection", &connection.id.to_string(), expected, connection, &[name]).await
    }

    /// Changes a connection's state, if it is there.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn set_state(
        &self,
        subject: &Subject,
        id: ConnectionId,
        state: ConnectionState,
    ) -> Result<(), Unreachable> {
        while let Some((version, mut connection)) = self.connection(subject, id).await? {
            connection.state = state;
            if self.put_connection(subject, version, &connection).await? {
                break;
            }
        }
        Ok(())
    }

    /// Notes that the provider takes a connection's tokens no more, unless it was disconnected or connected anew since
    /// the moment at which it was `seen`: a late answer says nothing of what came after its question.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn note_revoked(&self, subject: &Subject, seen: &Connection) -> Result<(), Unreachable> {
        while let Some((version, connection)) = self.connection(subject, seen.id).await? {
            let is_same = connection.state == ConnectionState::Active && connection.connected_at == seen.connected_at;
            let revoked = Connection { state: ConnectionState::NeedsReauth, ..connection };
            if !is_same || self.put_connection(subject, version, &revoked).await? {
                break;
            }
        }
        Ok(())
    }

    /// Who has connected this account of a provider.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn connected_to(
        &self,
        provider: &str,
        account: &str,
    ) -> Result<Vec<(Subject, ConnectionId)>, Unreachable> {
        let found = self.rows.find("connection", &self.account_name(provider, account)).await?;
        let parse = |(subject, id): (String, String)| Some((Subject(subject), ConnectionId(id.parse().ok()?)));
        Ok(found.into_iter().filter_map(parse).collect())
    }

    fn account_name(&self, provider: &str, account: &str) -> String {
        // An account's id at a provider is personal: only a keyed hash of it is kept in the clear.
        self.vault.subject_of(&format!("account/{provider}/{account}")).0
    }

    /// A config of a person, with its version.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn config(&self, subject: &Subject, id: ConfigId) -> Result<Option<(i64, Config)>, Unreachable> {
        self.get(subject, "config", &id.to_string()).await
    }

    /// All configs of a person.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn configs(&self, subject: &Subject) -> Result<Vec<Config>, Unreachable> {
        self.list(subject, "config").await
    }

    /// Sets a config if its version is still `expected`.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put_config(&self, subject: &Subject, expected: i64, config: &Config) -> Result<bool, Unreachable> {
        self.put(subject, "config", &config.id.to_string(), expected, config, &[]).await
    }

    /// Removes a config.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn delete_config(&self, subject: &Subject, id: ConfigId) -> Result<bool, Unreachable> {
        let Some((version, _)) = self.config(subject, id).await? else { return Ok(false) };
        self.rows.delete(&key(subject, "config", &id.to_string()), version).await
    }

    /// How far a connection's type has been read for a destination, with the row's version (0 if there is none).
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn checkpoint(
        &self,
        subject: &Subject,
        source: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
    ) -> Result<(i64, Checkpoint), Unreachable> {
        let id = format!("{source}:{destination}:{data_type}");
        Ok(self.get(subject, "checkpoint", &id).await?.unwrap_or_default())
    }

    /// Moves a checkpoint if its version is still `expected`.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put_checkpoint(
        &self,
        subject: &Subject,
        source: ConnectionId,
        destination: ConnectionId,
        data_type: DataType,
        expected: i64,
        checkpoint: &Checkpoint,
    ) -> Result<bool, Unreachable> {
        let id = format!("{source}:{destination}:{data_type}");
        self.put(subject, "checkpoint", &id, expected, checkpoint, &[]).await
    }

    /// Whether a person lets analysts see what is released of their records: no, unless they said yes.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn analytics(&self, subject: &Subject) -> Result<AnalyticsConsent, Unreachable> {
        Ok(self.get(subject, "consent", "analytics").await?.map_or_else(AnalyticsConsent::default, |it| it.1))
    }

    /// Notes whether a person lets analysts see what is released of their records. Saying the same again changes
    /// nothing, so that a yes stays as old as it is.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn set_analytics(&self, subject: &Subject, enabled: bool) -> Result<AnalyticsConsent, Unreachable> {
        loop {
            let found: Option<(i64, AnalyticsConsent)> = self.get(subject, "consent", "analytics").await?;
            if let Some((_, stands)) = found.filter(|it| it.1.enabled == enabled) {
                return Ok(stands);
            }
            let consent = AnalyticsConsent { enabled, changed_at: Some(self.clock.now()) };
            let version = found.map_or(0, |it| it.0);
            if self.put(subject, "consent", "analytics", version, &consent, &[]).await? {
                return Ok(consent);
            }
        }
    }

    /// Notes a new access token of a person.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put_token(&self, token: &str, of: &AccessToken) -> Result<(), Unreachable> {
        let nobody = Subject(String::new());
        self.put(&nobody, "access_token", &digest(token), 0, of, &[]).await.map(|_| ())
    }

    /// Whose access token this is, if it is one and has not ended.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn token(&self, token: &str) -> Result<Option<AccessToken>, Unreachable> {
        let nobody = Subject(String::new());
        let found = self.get::<AccessToken>(&nobody, "access_token", &digest(token)).await?;
        Ok(found.map(|it| it.1).filter(|it| it.expires_at.is_none_or(|at| at > self.clock.now())))
    }

    /// Whether there is an access token that does not end by itself.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn has_lasting_token(&self) -> Result<bool, Unreachable> {
        let all: Vec<AccessToken> = self.list(&Subject(String::new()), "access_token").await?;
        Ok(all.iter().any(|it| it.expires_at.is_none()))
    }

    /// Forgets an access token.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn forget_token(&self, token: &str) -> Result<(), Unreachable> {
        let nobody = Subject(String::new());
        let id = digest(token);
        if let Some((version, _)) = self.get::<AccessToken>(&nobody, "access_token", &id).await? {
            self.rows.delete(&key(&nobody, "access_token", &id), version).await?;
        }
        Ok(())
    }

    /// Remembers whom a grant's `state` was made for.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put_grant(&self, state: &str, grant: &PendingGrant) -> Result<(), Unreachable> {
        let nobody = Subject(String::new());
        self.put(&nobody, "grant", &digest(state), 0, grant, &[]).await.map(|_| ())
    }

    /// Takes the grant of a `state`: a second callback with the same state finds nothing.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn take_grant(&self, state: &str) -> Result<Option<PendingGrant>, Unreachable> {
        let nobody = Subject(String::new());
        let id = digest(state);
        let Some((version, grant)) = self.get::<PendingGrant>(&nobody, "grant", &id).await? else { return Ok(None) };
        let taken = self.rows.delete(&key(&nobody, "grant", &id), version).await?;
        Ok((taken && grant.expires_at > self.clock.now()).then_some(grant))
    }

    /// A row of any kind that the engine keeps of a person.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        subject: &Subject,
        kind: &'static str,
        id: &str,
    ) -> Result<Option<(i64, T)>, Unreachable> {
        let Some(row) = self.rows.get(&key(subject, kind, id)).await? else { return Ok(None) };
        Ok(self.read(subject, kind, id, &row.body).await?.map(|it| (row.version, it)))
    }

    /// All rows of a kind that the engine keeps of a person, by id.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        subject: &Subject,
        kind: &'static str,
    ) -> Result<Vec<T>, Unreachable> {
        let mut all = Vec::new();
        for row in self.rows.list(&subject.0, kind).await? {
            all.extend(self.read(subject, kind, &row.id, &row.body).await?);
        }
        Ok(all)
    }

    /// Sets a row of any kind that the engine keeps of a person.
    pub(crate) async fn put<T: Serialize>(
        &self,
        subject: &Subject,
        kind: &'static str,
        id: &str,
        expected: i64,
        value: &T,
        index: &[String],
    ) -> Result<bool, Unreachable> {
        let json =
            serde_json::to_vec(value).map_err(|err| Unreachable(format!("a {kind} cannot be written: {err}")))?;
        let sealed = self.vault.seal(subject, aad(kind, id).as_bytes(), &json).await?;
        self.rows.put(&key(subject, kind, id), expected, pack(&sealed), index).await
    }

    /// Removes a row of any kind that the engine keeps of a person, if its version is still `expected`.
    pub(crate) async fn delete(
        &self,
        subject: &Subject,
        kind: &'static str,
        id: &str,
        expected: i64,
    ) -> Result<bool, Unreachable> {
        self.rows.delete(&key(subject, kind, id), expected).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        subject: &Subject,
        kind: &'static str,
        id: &str,
        body: &[u8],
    ) -> Result<Option<T>, Unreachable> {
        let unreadable = || Unreachable(format!("a {kind} row cannot be read"));
        let sealed = unpack(body).ok_or_else(unreadable)?;
        let opened = self.vault.unseal(subject, sealed.key_version, aad(kind, id).as_bytes(), &sealed.bytes).await?;
        opened.map(|json| serde_json::from_slice(&json).map_err(|_| unreadable())).transpose()
    }
}

/// Whether connections to a provider with this access style are made by a person's grant.
#[must_use]
pub const fn is_granted(access: Access) -> bool {
    !matches!(access, Access::File)
}

fn key(subject: &Subject, kind: &'static str, id: &str) -> RowKey {
    RowKey { subject: subject.0.clone(), kind, id: id.into() }
}

fn aad(kind: &str, id: &str) -> String {
    format!("row:{kind}:{id}")
}

/// SHA-256 of a secret of 256 random bits: enough to keep in its place (ASVS 6.5.2).
fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
