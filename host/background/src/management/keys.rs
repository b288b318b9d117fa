//! Versions of keys: new ones for the vault, and their way to cards that are in use.
//!
//! The database remembers a check value of every key version, so that it is never
//! opened with another operator's vault.

use apdu_spec::element::{Algorithm, IepId, KeyReference};
use apdu_spec::personalisation::{DataGroup, Function, Generation, KeyData, KeyFloor};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::wire::List;
use rand_core::CryptoRng;

use super::issuance::CHANNEL_VERSIONS;
use crate::background::Background;
use crate::error::Error;
use crate::store::Store;
use crate::vault::{Vault, VaultFile};

/// A key version of the vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyVersion {
    /// `load key, group 0, version 1`
    pub name: String,
    /// Version.
    pub version: u8,
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Tells keys apart and gives nothing away.
    pub check_value: [u8; 3],
}

impl Background {
    /// A new version of every key, one above the highest, in the vault and in its file. Its number.
    pub fn add_key_version(
        &mut self,
        file: &VaultFile,
        algorithm: Algorithm,
        groups: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<u8, Error> {
        let newest = self.vault.highest(Function::Load, 0).map_or(0, |reference| reference.version);
        if newest >= CHANNEL_VERSIONS {
            return Err(Error::BadOrder("card management has key versions 1 to 16"));
        }
        let version = newest + 1;
        self.vault.add_version(version, algorithm, groups, rng)?;
        // The file first: a database that knows of keys that nobody has would refuse its vault.
        file.save(&self.vault, rng)?;
        note(&mut self.store, &self.vault)?;
        Ok(version)
    }

    /// The key versions of the vault.
    #[must_use]
    pub fn key_versions(&self) -> Vec<KeyVersion> {
        let all = self.vault.check_values().map(|((function, group, version), name, check_value)| {
            let algorithm = self.vault.algorithm((function, group, version))?;
            Some(KeyVersion { name, version, algorithm, check_value })
        });
        all.flatten().collect()
    }

    /// All keys of a version for a purse in use that pays at these groups.
    pub fn purse_generation(&self, iep: IepId, groups: &[u8], version: u8) -> Result<DataBlock, Error> {
        let issuers = [(Function::Load, 0), (Function::Certificate, 0)];
        let groups = groups.iter().map(|group| (Function::Purchase, *group));
        generation(issuers.into_iter().chain(groups).map(|(function, group)| {
            let reference = self.vault.reference(function, group, version)?;
            self.vault.card_key_data(iep.into(), function, reference)
        }))
    }

    /// The purchase key of a version for a PSAM in use of this group.
    pub fn sam_generation(&self, group: u8, version: u8) -> Result<DataBlock, Error> {
        let key = |reference: KeyReference| self.vault.purchase_master(reference);
        generation([self.vault.reference(Function::Purchase, group, version).and_then(key)].into_iter())
    }
}

/// The word that keys below a version are not to be used any more.
pub fn floor(version: u8) -> Result<DataBlock, Error> {
    let block = DataBlock::of(true, 0, DataGroup::KeyFloor, &KeyFloor { version });
    block.map_err(|_| Error::BadOrder("a data group is longer than a block"))
}

fn generation(keys: impl Iterator<Item = Result<KeyData, Error>>) -> Result<DataBlock, Error> {
    let mut generation = Generation { keys: List::new() };
    for key in keys {
        generation.keys.push(key?).map_err(|_| Error::BadOrder("too many keys; name fewer groups"))?;
    }
    let block = DataBlock::of(true, 0, DataGroup::Generation, &generation);
    block.map_err(|_| Error::BadOrder("a data group is longer than a block"))
}

/// Compares the key versions that are known.
pub(crate) fn check(store: &mut Store, vault: &Vault) -> Result<(), Error> {
    store.transaction("check keys", |tx| {
        vault.check_values().try_for_each(|(slot, name, check)| match tx.key_check(slot)? {
            Some(noted) if noted != check => Err(Error::ForeignVault(name)),
            _ => Ok(()),
        })
    })
}

/// Notes new key versions.
pub(crate) fn note(store: &mut Store, vault: &Vault) -> Result<(), Error> {
    store.transaction("note keys", |tx| {
        vault.check_values().try_for_each(|(slot, _, check)| match tx.key_check(slot)? {
            Some(_) => Ok(()),
            None => tx.note_key(slot, check),
        })
    })
}
