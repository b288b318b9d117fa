//! The database remembers a check value of every key version, so that it is never
//! opened with another operator's vault.

use crate::error::Error;
use crate::store::Store;
use crate::vault::Vault;

/// Notes new key versions and compares those that are known.
pub(crate) fn check(store: &mut Store, vault: &Vault) -> Result<(), Error> {
    store.transaction("check keys", |tx| {
        vault.check_values().try_for_each(|(slot, name, check)| match tx.note_key(slot, check)? {
            noted if noted == check => Ok(()),
            _ => Err(Error::ForeignVault(name)),
        })
    })
}
