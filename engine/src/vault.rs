//! Keys and provider tokens: what only the vault's own key opens.
//!
//! Every person has a key (256 bits) that seals their contents and tokens; it lies in the vault, wrapped by the
//! vault's key. Destroying it makes everything that it sealed unreadable, wherever copies of it are.

mod cache;
mod epoch;
mod key;

#[cfg(test)]
mod tests;

use crate::{
    bus::Unreachable,
    provider::Tokens,
    store::{Row, RowKey, Rows},
};
use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use cache::{Cache, Held};
pub use epoch::Pseudonyms;
use key::Key;
use schemas::id::{ConnectionId, Subject};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use zeroize::Zeroizing;

/// The key of the vault (KEK), which wraps all others. Never shown, and wiped when it is dropped.
pub struct Kek(Key);

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek")
    }
}

/// A text that is no key of a vault. It does not say what the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a vault key is 32 bytes as 64 hex digits or as base64: make one with `openssl rand -hex 32`")]
pub struct KekError;

impl Kek {
    /// Reads a key from 64 hex digits or from base64 (RFC 4648, either alphabet, padded or not), as it is given in
    /// the environment or in a file. Space around it does not matter.
    ///
    /// # Errors
    /// When it is not 32 bytes in one of these forms.
    pub fn from_text(text: &str) -> Result<Self, KekError> {
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let base64 = |alphabet| GeneralPurpose::new(alphabet, lenient).decode(text.trim()).ok();
        let bytes = hex::decode(text.trim())
            .ok()
            .or_else(|| base64(&base64::alphabet::STANDARD))
            .or_else(|| base64(&base64::alphabet::URL_SAFE));
        let bytes = Zeroizing::new(bytes.ok_or(KekError)?);
        Key::from_bytes(&bytes).map(Self).ok_or(KekError)
    }
}

/// Why a vault cannot be opened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It was made with another key.
    #[error("the vault key does not open this vault; give the key that it was made with, or start with an empty store")]
    WrongKey,
    /// It was made with a key, and none is given.
    #[error("this vault is sealed and no vault key is given; give the key that it was made with")]
    MissingKey,
    /// It has no key yet, and none is given.
    #[error("no vault key is given; make one with `openssl rand -hex 32` and keep it")]
    NoKey,
    /// Its store cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// What was sealed, and by which of the person's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The version of the key, from 1.
    pub key_version: i32,
    /// Nonce, then ciphertext.
    pub bytes: Vec<u8>,
}

/// What became of sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsealed {
    /// They were opened.
    Opened(Vec<u8>),
    /// Their key is gone, and with it what they were.
    Gone,
    /// They do not match their seal: altered, cut, or another's.
    Broken,
}

/// The vault, opened. Clones share it.
#[derive(Clone)]
pub struct Vault {
    shared: Arc<Shared>,
}

struct Shared {
    rows: Arc<dyn Rows>,
    kek: Kek,
    pepper: Key,
    cache: Mutex<Cache>,
    epoch: Mutex<Option<Pseudonyms>>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// The secret that makes subjects of user ids; that it can be opened shows that the vault's key is the right one.
const PEPPER: &str = "pepper";
/// A person's wrapped key with its version; the version alone once it is destroyed, so that no number is used twice.
const KEY: &str = "key";
/// A connection's sealed tokens.
const TOKENS: &str = "tokens";

/// The most attempts at a compare-and-set; each that fails is one of somebody else that did not.
const ATTEMPTS_MAX: usize = 16;

impl Vault {
    /// Opens the vault in these rows, and makes it if it is not there. The key may be left out (`None`) to learn
    /// which error that is.
    ///
    /// # Errors
    /// When the key is missing or is not the one that the vault was made with, or the rows are out of reach.
    pub async fn open(rows: Arc<dyn Rows>, kek: impl Into<Option<Kek>> + Send) -> Result<Self, VaultError> {
        let kek = kek.into();
        let place = RowKey { subject: String::new(), kind: PEPPER, id: PEPPER.into() };
        let sealed = rows.get(&place).await?;
        let kek = kek.ok_or(if sealed.is_some() { VaultError::MissingKey } else { VaultError::NoKey })?;
        let sealed = match sealed {
            Some(row) => row.body,
            None => {
                let made = Bytes::from(kek.0.wrap(PEPPER.as_bytes(), &Key::random()?)?);
                // Whoever lost a race takes the pepper that stands.
                if rows.put(&place, 0, made.clone(), &[]).await? {
                    made
                } else {
                    rows.get(&place).await?.map_or(made, |row| row.body)
                }
            }
        };
        let pepper = kek.0.unwrap(PEPPER.as_bytes(), &sealed).ok_or(VaultError::WrongKey)?;
        Ok(Self { shared: Arc::new(Shared { rows, kek, pepper, cache: Mutex::default(), epoch: Mutex::default() }) })
    }

    /// The subject of a user: the same for ever, and no way back (HMAC-SHA-256, 32 hex digits).
    #[must_use]
    pub fn subject_of(&self, user_id: &str) -> Subject {
        Subject(self.shared.pepper.hash(user_id.as_bytes()))
    }

    /// Seals bytes to a person and to `aad`, with a key that is made on first use.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn seal(&self, subject: &Subject, aad: &[u8], bytes: &[u8]) -> Result<Sealed, Unreachable> {
        let Held { version, key } = self.key_to_seal(subject).await?;
        Ok(Sealed { key_version: version, bytes: key.seal(&bound(subject, aad, version), bytes)? })
    }

    /// What was sealed to a person and to `aad`; `None` if that key is gone.
    ///
    /// # Errors
    /// When the vault cannot be reached, or the bytes do not match their seal: altered, cut, or another's.
    pub async fn unseal(
        &self,
        subject: &Subject,
        key_version: i32,
        aad: &[u8],
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, Unreachable> {
        match self.open_seal(subject, key_version, aad, bytes).await? {
            Unsealed::Opened(content) => Ok(Some(content)),
            Unsealed::Gone => Ok(None),
            Unsealed::Broken => Err(Unreachable(format!(
                "sealed bytes of subject {subject} do not match their seal: restore them from a copy"
            ))),
        }
    }

    /// As [`Vault::unseal`], but a broken seal is an answer: for contents whose loss concerns their own sync alone.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn open_seal(
        &self,
        subject: &Subject,
        key_version: i32,
        aad: &[u8],
        bytes: &[u8],
    ) -> Result<Unsealed, Unreachable> {
        let Some(key) = self.key_to_open(subject, key_version).await? else { return Ok(Unsealed::Gone) };
        Ok(key.open(&bound(subject, aad, key_version), bytes).map_or(Unsealed::Broken, Unsealed::Opened))
    }

    /// A hash that only this person's key makes, for one purpose (32 hex digits): tells equal from different without
    /// saying what it is.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn keyed_hash(&self, subject: &Subject, domain: &str, bytes: &[u8]) -> Result<String, Unreachable> {
        let held = self.key_to_seal(subject).await?;
        Ok(held.key.derive(format!("keyed hash {domain}").as_bytes()).hash(bytes))
    }

    /// Destroys a person's key and tokens: what that key sealed can never be opened again. Whatever is sealed to the
    /// person afterwards gets a new key with a new version.
    ///
    /// # Errors
    /// When the vault cannot be reached; destroying again is then right, and always harmless.
    pub async fn destroy(&self, subject: &Subject) -> Result<(), Unreachable> {
        let place = place(subject, KEY, KEY);
        for _ in 0..ATTEMPTS_MAX {
            let Some(row) = self.shared.rows.get(&place).await? else { break };
            let (version, wrapped) = split(&row)?;
            let done =
                wrapped.is_empty() || self.shared.rows.put(&place, row.version, joined(version, &[]), &[]).await?;
            // After the row, so that nobody puts it back from there.
            self.cache().forget(subject);
            if done {
                break;
            }
        }
        match self.stored_key(subject, Instant::now()).await? {
            Stored::Key(_) => Err(contended()),
            Stored::None | Stored::Destroyed { .. } => self.delete_all_tokens(subject).await,
        }
    }

    /// A connection's tokens and their version; `None` if there are none or their key is gone.
    ///
    /// # Errors
    /// When the vault cannot be reached or the tokens do not match their seal.
    pub async fn get_tokens(
        &self,
        subject: &Subject,
        connection: ConnectionId,
    ) -> Result<Option<(i64, Tokens)>, Unreachable> {
        let row = self.shared.rows.get(&place(subject, TOKENS, &connection.to_string())).await?;
        let Some(row) = row else { return Ok(None) };
        let (key_version, sealed) = split(&row)?;
        let plain = self.unseal(subject, key_version, &tokens_aad(connection), sealed).await?;
        let Some(plain) = plain.map(Zeroizing::new) else { return Ok(None) };
        let tokens = serde_json::from_slice(&plain)
            .map_err(|_| Unreachable(format!("the tokens of connection {connection} are not of this version")))?;
        Ok(Some((row.version, tokens)))
    }

    /// Keeps a connection's tokens if their version is still `expected` (0: there are none); `false` if it is not.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn put_tokens(
        &self,
        subject: &Subject,
        connection: ConnectionId,
        expected: i64,
        tokens: &Tokens,
    ) -> Result<bool, Unreachable> {
        let plain = Zeroizing::new(serde_json::to_vec(tokens).expect("tokens are texts and a time"));
        let sealed = self.seal(subject, &tokens_aad(connection), &plain).await?;
        let body = joined(sealed.key_version, &sealed.bytes);
        self.shared.rows.put(&place(subject, TOKENS, &connection.to_string()), expected, body, &[]).await
    }

    /// Removes a connection's tokens, if there are any.
    ///
    /// # Errors
    /// When the vault cannot be reached.
    pub async fn delete_tokens(&self, subject: &Subject, connection: ConnectionId) -> Result<(), Unreachable> {
        self.delete_row(&place(subject, TOKENS, &connection.to_string())).await
    }

    async fn delete_all_tokens(&self, subject: &Subject) -> Result<(), Unreachable> {
        for row in self.shared.rows.list(&subject.0, TOKENS).await? {
            self.delete_row(&place(subject, TOKENS, &row.id)).await?;
        }
        Ok(())
    }

    async fn delete_row(&self, place: &RowKey) -> Result<(), Unreachable> {
        for _ in 0..ATTEMPTS_MAX {
            let Some(row) = self.shared.rows.get(place).await? else { return Ok(()) };
            if self.shared.rows.delete(place, row.version).await? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// The person's present key; made if there is none.
    async fn key_to_seal(&self, subject: &Subject) -> Result<Held, Unreachable> {
        if let Some(held) = self.cached(subject) {
            return Ok(held);
        }
        for _ in 0..ATTEMPTS_MAX {
            let asked = Instant::now();
            let (expected, version) = match self.stored_key(subject, asked).await? {
                Stored::Key(held) => return Ok(held),
                Stored::Destroyed { row, version } => (row, version.saturating_add(1)),
                Stored::None => (0, 1),
            };
            let key = Key::random()?;
            let wrapped = self.shared.kek.0.wrap(&bound(subject, KEY.as_bytes(), version), &key)?;
            // Whoever lost a race reads the key that stands.
            if self.shared.rows.put(&place(subject, KEY, KEY), expected, joined(version, &wrapped), &[]).await? {
                let held = Held { version, key: Arc::new(key) };
                self.cache().put(subject, held.clone(), asked);
                return Ok(held);
            }
        }
        Err(contended())
    }

    async fn key_to_open(&self, subject: &Subject, version: i32) -> Result<Option<Arc<Key>>, Unreachable> {
        let held = match self.cached(subject) {
            Some(held) => held,
            None => match self.stored_key(subject, Instant::now()).await? {
                Stored::Key(held) => held,
                Stored::None | Stored::Destroyed { .. } => return Ok(None),
            },
        };
        Ok((held.version == version).then_some(held.key))
    }

    async fn stored_key(&self, subject: &Subject, asked: Instant) -> Result<Stored, Unreachable> {
        let Some(row) = self.shared.rows.get(&place(subject, KEY, KEY)).await? else {
            return Ok(Stored::None);
        };
        let (version, wrapped) = split(&row)?;
        if wrapped.is_empty() {
            return Ok(Stored::Destroyed { row: row.version, version });
        }
        let key = self.shared.kek.0.unwrap(&bound(subject, KEY.as_bytes(), version), wrapped);
        let broken = || Unreachable(format!("the key of subject {subject} does not match its seal: restore the vault"));
        let held = Held { version, key: Arc::new(key.ok_or_else(broken)?) };
        self.cache().put(subject, held.clone(), asked);
        Ok(Stored::Key(held))
    }

    fn cached(&self, subject: &Subject) -> Option<Held> {
        self.cache().get(subject, Instant::now())
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // No code panics while it holds the lock.
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present epoch's pseudonyms, once they were read.
    fn epoch(&self) -> MutexGuard<'_, Option<Pseudonyms>> {
        self.shared.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the vault has of a person's key.
enum Stored {
    /// There never was one.
    None,
    /// It was destroyed: the row's version, and that of the key.
    Destroyed { row: i64, version: i32 },
    /// It is there.
    Key(Held),
}

/// What a seal is bound to: the person, what the caller says, the version of the key.
fn bound(subject: &Subject, aad: &[u8], key_version: i32) -> Vec<u8> {
    let mut all = Vec::with_capacity(subject.0.len() + aad.len() + 12);
    // The length keeps the person and what follows apart.
    all.extend_from_slice(&u64::try_from(subject.0.len()).unwrap_or(u64::MAX).to_be_bytes());
    all.extend_from_slice(subject.0.as_bytes());
    all.extend_from_slice(aad);
    all.extend_from_slice(&key_version.to_be_bytes());
    all
}

fn tokens_aad(connection: ConnectionId) -> Vec<u8> {
    format!("{TOKENS} {connection}").into_bytes()
}

fn place(subject: &Subject, kind: &'static str, id: &str) -> RowKey {
    RowKey { subject: subject.0.clone(), kind, id: id.to_owned() }
}

/// A row's body: the version of a key, then what is sealed.
fn joined(key_version: i32, sealed: &[u8]) -> Bytes {
    Bytes::from([&key_version.to_be_bytes(), sealed].concat())
}

fn split(row: &Row) -> Result<(i32, &[u8]), Unreachable> {
    let (version, sealed) = row
        .body
        .split_first_chunk()
        .ok_or_else(|| Unreachable("a row of the vault is cut short: restore the vault".into()))?;
    Ok((i32::from_be_bytes(*version), sealed))
}

fn contended() -> Unreachable {
    Unreachable("a row of the vault changes all the time: find out what else writes to it".into())
}
