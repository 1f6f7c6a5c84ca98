//! Keys of 256 bits and what is done with them: XChaCha20-Poly1305 and HMAC-SHA-256 (RFC 2104).

use crate::bus::Unreachable;
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Length of a nonce: 192 bits, so that random ones do not meet (draft-irtf-cfrg-xchacha, section 3.1).
const NONCE_BYTES: usize = 24;

/// A secret key. Never shown, and wiped when it is dropped.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(super) fn random() -> Result<Self, Unreachable> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// `None` unless there are 32 bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    /// Seals bytes to this key and `aad`: nonce, then ciphertext.
    pub(super) fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unreachable> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
            .expect("contents are shorter than the cipher's 256 GiB");
        let mut sealed = Vec::with_capacity(nonce.len() + ciphertext.len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// What was sealed; `None` if it was sealed to another key or `aad`, or was altered.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher().decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad }).ok()
    }

    /// A key for sealing another one.
    pub(super) fn wrap(&self, aad: &[u8], key: &Self) -> Result<Vec<u8>, Unreachable> {
        self.seal(aad, key.0.as_slice())
    }

    /// The key that was wrapped; `None` where [`Key::open`] says so.
    pub(super) fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Option<Self> {
        let bytes = Zeroizing::new(self.open(aad, wrapped)?);
        Self::from_bytes(&bytes)
    }

    /// The keyed hash of bytes: 32 hex digits.
    pub(super) fn hash(&self, bytes: &[u8]) -> String {
        let mut digits = hex::encode(self.mac(bytes).as_slice());
        digits.truncate(32);
        digits
    }

    /// A key for one purpose, from which this one cannot be had.
    pub(super) fn derive(&self, purpose: &[u8]) -> Self {
        Self(self.mac(purpose))
    }

    fn mac(&self, bytes: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(bytes);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new_from_slice(self.0.as_slice()).expect("a key has 32 bytes")
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Unreachable> {
    getrandom::fill(bytes)
        .map_err(|err| Unreachable(format!("the operating system gave no random bytes: {err}")))
}
