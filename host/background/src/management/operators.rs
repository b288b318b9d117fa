//! Operators: people whose word is needed where one person's is not enough. Each keeps a key of
//! his own (Ed25519, RFC 8032), a file in PEM that stock tools read (PKCS #8, RFC 5958); the
//! background system knows the public half alone.
//!
//! Who may register operators is who holds vault and database.

use std::fmt;
use std::path::Path;

use apdu_spec::element::Time;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signer as _, SigningKey};
use network::disk::create_secret;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::approvals::Approval;
use crate::background::Background;
use crate::error::Error;

/// The key of an operator. It is erased when it is dropped.
pub struct OperatorKey(SigningKey);

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey(not shown)")
    }
}

impl OperatorKey {
    /// A new key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The operator's word for an approval.
    #[must_use]
    pub fn sign(&self, approval: &Approval) -> [u8; 64] {
        self.0.sign(&approval.text()).to_bytes()
    }

    /// Writes the key to a new file, which only its owner may read (mode 0600).
    pub fn create(&self, path: &Path) -> Result<(), Error> {
        let damaged = |_| Error::BadOrder("the key cannot be written as PKCS #8");
        let text = self.0.to_pkcs8_pem(LineEnding::LF).map_err(damaged)?;
        create_secret(path, text.as_bytes()).map_err(Error::io(path))
    }

    /// Reads the key from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(Error::io(path))?);
        let reason = |error: ed25519_dalek::pkcs8::Error| error.to_string();
        let bad = |reason| Error::VaultFile { path: path.to_owned(), reason };
        SigningKey::from_pkcs8_pem(&text).map(Self).map_err(reason).map_err(bad)
    }
}

impl Background {
    /// Registers an operator by name and public key. Nobody has two names, and no key two owners.
    pub fn register_operator(&mut self, name: &str, key: [u8; 32], now: Time) -> Result<(), Error> {
        self.store.transaction("register operator", |tx| match tx.insert_operator(name, key, now)? {
            true => Ok(()),
            false => {
                Err(Error::AlreadyRegistered(format!("operator {name}, or this key under another name,")))
            }
        })
    }

    /// Names of all operators.
    pub fn operators(&mut self) -> Result<Vec<String>, Error> {
        self.store.transaction("operators", |tx| tx.operators())
    }
}

#[cfg(test)]
mod tests {
    use apdu_spec::Element as _;
    use apdu_spec::element::{Amount, Currency, IepId, SamId};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn a_key_survives_its_file_and_takes_no_other_ones_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ann.pem");
        let mut random = ChaCha20Rng::seed_from_u64(1);
        let key = OperatorKey::generate(&mut random);
        key.create(&path).expect("written");
        assert!(OperatorKey::generate(&mut random).create(&path).is_err(), "there is one already");
        let read = OperatorKey::read(&path).expect("read");
        let approval = Approval {
            number: 1,
            terminal: SamId::from_bytes(&[1; SamId::MAX]).expect("a terminal"),
            iep: IepId::from_bytes(&[1; IepId::MAX]).expect("a purse"),
            currency: Currency::EUR,
            amount: Amount::MAX,
            asked: Time(1),
        };
        assert_eq!((read.public(), read.sign(&approval)), (key.public(), key.sign(&approval)));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----").expect("written");
        let error = OperatorKey::read(&path).expect_err("no key").to_string();
        assert!(error.contains("ann.pem is not a key file"), "{error}");
    }
}
