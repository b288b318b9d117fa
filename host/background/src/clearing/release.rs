//! Lets a transfer card forget what has arrived.

use apdu_spec::download::Release;
use apdu_spec::element::{BatchNumber, Mac, SamId};

use crate::error::Error;
use crate::store::Tx;
use crate::vault::Vault;

/// The word that a transfer card may forget parcels and downloads below these numbers.
/// Made under the key of batch 0 of its record key.
pub(crate) fn release(
    tx: &Tx<'_>,
    vault: &Vault,
    card: SamId,
    parcels: u32,
    downloads: u32,
) -> Result<Release, Error> {
    let key = tx.module(card)?.and_then(|module| module.record_key);
    let reference = key.ok_or_else(|| Error::NotRegistered(format!("transfer card {card}")))?;
    let unsigned = Release { parcels, downloads, mac: Mac::default() };
    let mac =
        vault.record_key(card, reference, BatchNumber::default())?.sign(&unsigned.input(card, reference));
    Ok(Release { mac, ..unsigned })
}
