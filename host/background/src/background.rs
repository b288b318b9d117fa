//! One background system: a database and the vault that belongs to it. The folders of
//! this crate add to it what they are about.

use std::path::Path;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::download::Release;
use apdu_spec::element::{SamId, Time};
use apdu_spec::purse::Execute;
use apdu_spec::record::ValueRecord;
use network::{Batch, ResolveRequest, TransferRequest};

use crate::audit::entry::SETTLE;
use crate::audit::head::{Head, HeadFile};
use crate::audit::keeper::Keeper;
use crate::audit::{opening, settlement};
use crate::clearing::rate::Rates;
use crate::clearing::settle::{Settlement, settle};
use crate::clearing::{intake, lost, release};
use crate::error::Error;
use crate::management::keys;
use crate::store::Store;
use crate::transfers::{authorise, complete, resolve};
use crate::vault::Vault;

/// A background system.
#[derive(Debug)]
pub struct Background {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    /// Refusals that are written down.
    rates: Rates,
}

impl Background {
    /// Makes a new database at `path`; the head of its books is kept beside it, in a file of
    /// the ending `head`.
    pub fn create(path: &Path, vault: Vault) -> Result<Self, Error> {
        Self::create_with_head(path, &HeadFile::beside(path), vault)
    }

    /// The same, with the head of the books at `head`.
    pub fn create_with_head(path: &Path, head: &Path, vault: Vault) -> Result<Self, Error> {
        if head.exists() {
            return Err(Error::Exists(head.to_owned()));
        }
        Self::begin(Store::create(path)?, Some(head), vault)
    }

    /// Makes a database that is gone when it is dropped: for simulations.
    pub fn in_memory(vault: Vault) -> Result<Self, Error> {
        Self::begin(Store::in_memory()?, None, vault)
    }

    /// Begins the books with the rows of a bare store; their head is kept at `head`.
    pub fn begin(mut store: Store, head: Option<&Path>, vault: Vault) -> Result<Self, Error> {
        opening::begin(&mut store, vault.books_key()?, head)?;
        keys::note(&mut store, &vault)?;
        Ok(Self { store, vault, rates: Rates::default() })
    }

    /// For simulations: power fails after so many statements, until it is back.
    pub fn cut_after(&mut self, statements: u32) {
        self.store.cut_after(statements);
    }

    /// Power is back: what was not committed is undone. Whether power had failed.
    pub fn power_up(&mut self) -> bool {
        self.store.power_up()
    }

    /// Opens the database at `path`, whose head is kept beside it. Books that were changed by
    /// somebody else are not opened, as far as a quick look shows it (see [`crate::audit`]).
    pub fn open(path: &Path, vault: Vault) -> Result<Self, Error> {
        Self::open_with_head(path, &HeadFile::beside(path), vault)
    }

    /// The same, with the head of the books at `head`.
    pub fn open_with_head(path: &Path, head: &Path, vault: Vault) -> Result<Self, Error> {
        let mut store = Store::open(path)?;
        keys::check(&mut store, &vault)?;
        opening::open(&mut store, vault.books_key()?, head)?;
        keys::note(&mut store, &vault)?;
        Ok(Self { store, vault, rates: Rates::default() })
    }

    /// The head of the books: it stands for every row, and is worth keeping on paper.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.store.keeper().map(Keeper::head)
    }

    /// The vault.
    #[must_use]
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Decides a load or unload, for the terminal that its request names: the
    /// [service](crate::service) hears it under that terminal's MAC alone.
    pub fn authorise(&mut self, request: &TransferRequest, now: Time) -> Result<Execute, Error> {
        authorise::authorise(&mut self.store, &self.vault, request, now)
    }

    /// Takes the proof that a load or unload was carried out.
    pub fn complete(&mut self, value: ValueRecord, now: Time) -> Result<(), Error> {
        complete::hand_in(&mut self.store, &self.vault, value, now)
    }

    /// Takes a purse's word on a load or unload that was in doubt: whether it moved value.
    pub fn resolve(&mut self, request: &ResolveRequest, now: Time) -> Result<bool, Error> {
        resolve::resolve(&mut self.store, &self.vault, request, now)
    }

    /// Takes a batch in.
    pub fn submit(&mut self, batch: &Batch, now: Time) -> Result<Acknowledgement, Error> {
        intake::submit((&mut self.store, &mut self.rates), &self.vault, batch, now)
    }

    /// The word that a transfer card may forget parcels and downloads below these numbers.
    pub fn release(&mut self, card: SamId, parcels: u32, downloads: u32) -> Result<Release, Error> {
        let Self { store, vault, .. } = self;
        store.transaction("release", |tx| release::release(tx, vault, card, parcels, downloads))
    }

    /// Pays merchants what is booked and not settled. What is to be paid is held against the
    /// chain before, and the head of the books is on its disk before anybody is told.
    pub fn settle(&mut self, now: Time) -> Result<Settlement, Error> {
        let Self { store, vault, .. } = self;
        store.transaction("clearing: lost modules", |tx| lost::release(tx, vault, now))?;
        let settled = self.store.transaction(SETTLE, |tx| {
            settlement::check(tx)?;
            settle(tx, now)
        })?;
        self.store.keeper().map_or(Ok(()), Keeper::sync)?;
        Ok(settled)
    }
}
