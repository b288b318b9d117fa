//! Makes worlds and opens them: what of it is secret, and who may have it.

use std::fs::File;
use std::path::Path;

use apdu_spec::element::{Algorithm, Time};
use background::vault::{Lock, Passphrase};
use background::{Background, Vault, VaultFile};
use host::trace::SharedObserver;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::{GROUP, LOCK, VERSION, World, private};
use crate::Error;
use crate::scheme::Scheme;

/// What a new world is made with.
#[allow(missing_debug_implementations)] // an observer has none
pub struct Founding {
    /// Algorithm of its payments.
    pub algorithm: Algorithm,
    /// What its vault is locked with: an open one makes a demonstration.
    pub lock: Lock,
    /// Told what passes between readers and cards from the first personalisation on.
    pub observer: Option<SharedObserver>,
}

impl World {
    /// Makes a demonstration, whose keys are no secret: see [`found`](Self::found).
    pub fn create(
        directory: &Path,
        scheme: Scheme,
        algorithm: Algorithm,
        random: ChaCha12Rng,
        now: Time,
    ) -> Result<Self, Error> {
        Self::found(directory, scheme, Founding { algorithm, lock: Lock::Open, observer: None }, random, now)
    }

    /// Makes a world in an empty or missing directory: keys, participants, PSAMs and a transfer card,
    /// all personalised. With a passphrase the vault is under it and the images are sealed; else it is a
    /// demonstration.
    pub fn found(
        directory: &Path,
        mut scheme: Scheme,
        founding: Founding,
        mut random: ChaCha12Rng,
        now: Time,
    ) -> Result<Self, Error> {
        private::claim(directory)?;
        let lock = lock(directory)?;
        for folder in ["cards", "sams", "transfer", "terminals"] {
            private::directory(&directory.join(folder))?;
        }
        scheme.demo = founding.lock.is_open();
        let mut vault = Vault::new();
        vault.add_version(VERSION, founding.algorithm, &[GROUP], &mut random)?;
        if !scheme.demo {
            vault.add_image_key(&mut random)?;
            // The generator still has the keys that it gave.
            random = ChaCha12Rng::from_rng(&mut random);
        }
        let file = VaultFile::create(&directory.join("vault.json"), founding.lock, &vault, &mut random)?;
        let database = directory.join("background.db");
        let background = Background::create(&database, vault)?;
        private::file(&database)?;
        let mut world = Self::with(directory, scheme, (background, file), random, lock);
        world.observer = founding.observer;
        world.register(now)?;
        // The scheme comes last: a directory without it is no world.
        world.scheme.write(&directory.join("scheme.json"))?;
        Ok(world)
    }

    /// Whether there is a demonstration in a directory.
    #[must_use]
    pub fn is_demo_in(directory: &Path) -> bool {
        Scheme::read(&directory.join("scheme.json")).is_ok_and(|scheme| scheme.demo)
    }

    /// Opens a demonstration.
    pub fn open(directory: &Path, random: ChaCha12Rng) -> Result<Self, Error> {
        let vault = directory.join("vault.json");
        Self::open_with(directory, random, &mut || Err(background::Error::NoPassphrase(vault.clone())))
    }

    /// Opens a world; `ask` is asked for its passphrase, where it has one. Commits of its cards wait for
    /// the disk.
    pub fn open_with(directory: &Path, random: ChaCha12Rng, ask: Ask<'_>) -> Result<Self, Error> {
        Self::open_with_head(directory, None, random, ask)
    }

    /// Opens a world like [`open_with`](Self::open_with), with the head of the books in a file elsewhere.
    pub fn open_with_head(
        directory: &Path,
        head: Option<&Path>,
        random: ChaCha12Rng,
        ask: Ask<'_>,
    ) -> Result<Self, Error> {
        let (lock, scheme, (file, vault)) = unlock(directory, ask)?;
        let database = directory.join("background.db");
        let background = match head {
            Some(head) => Background::open_with_head(&database, head, vault)?,
            None => Background::open(&database, vault)?,
        };
        let mut world = Self::with(directory, scheme, (background, file), random, lock);
        world.durable = true;
        Ok(world)
    }

    /// Puts the vault under another passphrase: the old one opens nothing any more, unless somebody
    /// has kept the old file.
    pub fn relock(&mut self, lock: Lock) -> Result<(), Error> {
        if self.is_demo() || lock.is_open() {
            return Err(Error::Demo(
                "its keys are no secret, and a passphrase would not make them one".into(),
            ));
        }
        let Self { background, vault_file, random, .. } = self;
        Ok(vault_file.relock(lock, background.vault(), random)?)
    }
}

/// Who is asked for a passphrase.
pub type Ask<'a> = &'a mut dyn FnMut() -> Result<Passphrase, background::Error>;

/// Locks the directory of a world for this process, and opens its vault.
pub(super) fn unlock(directory: &Path, ask: Ask<'_>) -> Result<(File, Scheme, (VaultFile, Vault)), Error> {
    let path = directory.join("scheme.json");
    if !path.exists() {
        return Err(Error::NoWorld(directory.into()));
    }
    let lock = lock(directory)?;
    let scheme = Scheme::read(&path)?;
    let vault = directory.join("vault.json");
    let opened = if scheme.demo { VaultFile::open_plain(&vault)? } else { VaultFile::open(&vault, ask)? };
    Ok((lock, scheme, opened))
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.try_lock().map_err(|_| Error::Busy(directory.into()))?;
    Ok(file)
}
