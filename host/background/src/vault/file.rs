//! The vault's file, `vault.json`: readable by its owner alone, replaced as a whole or not at all.
//!
//! ```text
//! {"format": 2, "sealed": {"derivation": "argon2id", "memory": KiB, "passes": n, "lanes": n,
//!     "salt": 16 bytes, "check": 16 bytes, "cipher": "aes-256-gcm-siv", "nonce": 12 bytes,
//!     "tag": 16 bytes, "text": the keys}}
//! {"format": 2, "plain": the keys}            a demonstration
//! ```
//!
//! Bytes are hexadecimal. The tag covers format, cost and salt too, as `lock` lays them out. A plain
//! file is opened only by who says that the keys are no secret, so that a scheme cannot be founded on a
//! demonstration's keys.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::list::KeyList;
use super::lock::{Cost, Lock, NONCE, Passphrase, Seal};
use super::software::Vault;
use crate::error::Error;

const FORMAT: u32 = 2;
const DERIVATION: &str = "argon2id";
const CIPHER: &str = "aes-256-gcm-siv";

/// The file: one of the two.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile<'a, K> {
    format: u32,
    #[serde(borrow, default = "nothing", skip_serializing_if = "Option::is_none")]
    plain: Option<KeyList<'a, K>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
}

const fn nothing<T>() -> Option<T> {
    None
}

/// Keys under a passphrase.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    derivation: String,
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    check: String,
    cipher: String,
    nonce: String,
    tag: String,
    text: String,
}

/// The file of a vault that is open, and what it is locked with.
#[derive(Debug)]
pub struct VaultFile {
    path: PathBuf,
    lock: Lock,
}

impl VaultFile {
    /// Writes a vault to a new file.
    pub fn create(path: &Path, lock: Lock, vault: &Vault, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        if path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        let file = Self { path: path.to_owned(), lock };
        file.save(vault, rng)?;
        Ok(file)
    }

    /// Reads a vault that is under a passphrase, for which `ask` is asked once the file is known to
    /// be one. Errors: [`Error::PlainVault`], [`Error::WrongPassphrase`], [`Error::VaultFile`] where it
    /// is damaged, and those of `ask`.
    pub fn open(
        path: &Path,
        ask: &mut dyn FnMut() -> Result<Passphrase, Error>,
    ) -> Result<(Self, Vault), Error> {
        let bytes = Zeroizing::new(fs::read(path).map_err(Error::io(path))?);
        let bad = |reason: &str| Error::VaultFile { path: path.to_owned(), reason: reason.into() };
        let file = parse(path, &bytes)?;
        let sealed = match (file.plain, file.sealed) {
            (None, Some(sealed)) => sealed,
            (Some(_), None) => return Err(Error::PlainVault(path.to_owned())),
            _ => return Err(bad("it is neither plain nor sealed")),
        };
        if sealed.derivation != DERIVATION || sealed.cipher != CIPHER {
            return Err(bad("its ciphers are not known"));
        }
        let seal = sealed.seal(&ask()?).ok_or_else(|| bad("the cost of its passphrase is out of bounds"))?;
        if array::<16>(&sealed.check).is_none_or(|check| check != *seal.check()) {
            return Err(Error::WrongPassphrase(path.to_owned()));
        }
        let text = sealed.open(&seal).ok_or_else(|| bad("it is damaged, or was changed"))?;
        let list = serde_json::from_slice(&text).map_err(|_| bad("its keys are no list of keys"))?;
        let vault = Vault::of_list(&list).map_err(|reason| bad(&reason))?;
        Ok((Self { path: path.to_owned(), lock: Lock::Sealed(seal) }, vault))
    }

    /// Reads a vault whose keys are no secret. Error: it is under a passphrase.
    pub fn open_plain(path: &Path) -> Result<(Self, Vault), Error> {
        let bytes = Zeroizing::new(fs::read(path).map_err(Error::io(path))?);
        let bad = |reason| Error::VaultFile { path: path.to_owned(), reason };
        let file = parse(path, &bytes)?;
        let list = match (file.plain, file.sealed) {
            (Some(list), None) => list,
            (None, Some(_)) => return Err(Error::SealedVault(path.to_owned())),
            _ => return Err(bad("it is neither plain nor sealed".into())),
        };
        let vault = Vault::of_list(&list).map_err(bad)?;
        Ok((Self { path: path.to_owned(), lock: Lock::Open }, vault))
    }

    /// What it is locked with.
    #[must_use]
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Writes the vault anew: the file is the old one or the new one, whatever comes between.
    pub fn save(&self, vault: &Vault, rng: &mut dyn CryptoRng) -> Result<(), Error> {
        self.write(&self.lock, vault, rng)
    }

    /// Writes the vault under another passphrase, and forgets the old one.
    pub fn relock(&mut self, lock: Lock, vault: &Vault, rng: &mut dyn CryptoRng) -> Result<(), Error> {
        self.write(&lock, vault, rng)?;
        self.lock = lock;
        Ok(())
    }

    fn write(&self, lock: &Lock, vault: &Vault, rng: &mut dyn CryptoRng) -> Result<(), Error> {
        let text = match lock {
            Lock::Open => {
                let file = KeyFile { format: FORMAT, plain: Some(vault.list()), sealed: None };
                vault.text(&file, true)
            }
            Lock::Sealed(seal) => Sealed::new(seal, vault, rng).and_then(|sealed| {
                let file = KeyFile { format: FORMAT, plain: None::<KeyList<'_, ()>>, sealed: Some(sealed) };
                serde_json::to_vec_pretty(&file).ok().map(Zeroizing::new)
            }),
        };
        let text = text.ok_or(Error::BadOrder("the keys cannot be written"))?;
        replace(&self.path, &text)
    }
}

impl Sealed {
    fn new(seal: &Seal, vault: &Vault, rng: &mut dyn CryptoRng) -> Option<Self> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mut text = vault.text(&vault.list(), false)?;
        let tag = seal.seal(FORMAT, nonce, &mut text)?;
        let Cost { memory, passes, lanes } = seal.cost;
        Some(Self {
            derivation: DERIVATION.into(),
            memory,
            passes,
            lanes,
            salt: hex::encode(seal.salt),
            check: hex::encode(seal.check()),
            cipher: CIPHER.into(),
            nonce: hex::encode(nonce),
            tag: hex::encode(tag),
            text: hex::encode(&*text),
        })
    }

    /// The seal of a passphrase with this file's cost; nothing where that is out of bounds.
    fn seal(&self, passphrase: &Passphrase) -> Option<Seal> {
        let Self { memory, passes, lanes, .. } = *self;
        Seal::new(passphrase, Cost { memory, passes, lanes }, array(&self.salt)?)
    }

    /// The text; nothing where something was changed.
    fn open(&self, seal: &Seal) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(hex::decode(&self.text).ok()?);
        seal.open(FORMAT, array(&self.nonce)?, &mut text, array(&self.tag)?)?;
        Some(text)
    }
}

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<KeyFile<'a, &'a str>, Error> {
    let bad = |reason| Error::VaultFile { path: path.to_owned(), reason };
    let file: KeyFile<'_, _> = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    match file.format {
        FORMAT => Ok(file),
        other => Err(bad(format!("format {other} is not known"))),
    }
}

/// Puts a new file in the place of an old one, and makes that durable before a card is issued under
/// its keys.
fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let fresh = path.with_extension("partial");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(&fresh)(error)),
        _ => {}
    }
    write_secret(&fresh, text).map_err(Error::io(&fresh))?;
    fs::rename(&fresh, path).map_err(Error::io(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
}

/// Writes a file that is new, so that its mode is the one given here.
fn write_secret(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
