//! The books of a world from outside: they are looked at, and taken up after a backup, when the
//! world does not open.

use std::fs::File;
use std::path::{Path, PathBuf};

use apdu_spec::element::Time;
use background::Vault;
use background::audit::verify::{Progress, Verification, verify};
use background::audit::{Restoration, restore};

use super::found::{Ask, unlock};
use crate::Error;

/// The books of a world, which nobody else uses meanwhile.
#[derive(Debug)]
pub struct Books {
    database: PathBuf,
    head: PathBuf,
    vault: Vault,
    _lock: File,
}

impl Books {
    /// The books in a directory; their head is beside them, or at `head`. `ask` is asked for the passphrase
    /// of the vault, where it has one.
    pub fn open(directory: &Path, head: Option<&Path>, ask: Ask<'_>) -> Result<Self, Error> {
        let (lock, _, (_, vault)) = unlock(directory, ask)?;
        let database = directory.join("background.db");
        let head = head.map_or_else(|| database.with_extension("head"), Path::to_owned);
        Ok(Self { database, head, vault, _lock: lock })
    }

    /// Holds every row against the chain, every record against its MACs, every sum against what
    /// it is of.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verification, Error> {
        Ok(verify(&self.database, &self.head, &self.vault, progress)?)
    }

    /// Goes on from a backup. `last` is the last entry that somebody remembers.
    pub fn accept_restore(&self, reason: &str, last: Option<i64>, now: Time) -> Result<Restoration, Error> {
        Ok(restore::accept(&self.database, &self.head, &self.vault, reason, last, now)?)
    }
}
