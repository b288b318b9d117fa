//! Whether a batch is whole: S4 over its trailer, counts and sums, the chain over its
//! records, S5 of each; and its acknowledgement. All under the record key of the
//! module (design, Keys).

use std::collections::HashMap;

use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{BatchNumber, KeyReference, Kind, Mac, SamId};
use apdu_spec::record::{BatchRecord, Outcome};
use apdu_spec::signature::{ChainLink, Heading, Name, S5};
use network::Batch;

use super::exception::Reason;
use crate::error::Error;
use crate::vault::Vault;

/// The keys of one batch.
pub(crate) struct Seal {
    key: MacKey,
    reference: KeyReference,
}

impl Seal {
    /// The seal that the module of this trailer makes.
    pub(crate) fn new(vault: &Vault, trailer: &Trailer, reference: KeyReference) -> Result<Self, Error> {
        Self::of(vault, trailer.sam, trailer.batch, reference)
    }

    /// The seal of a module for one of its batches.
    pub(crate) fn of(
        vault: &Vault,
        sam: SamId,
        batch: BatchNumber,
        reference: KeyReference,
    ) -> Result<Self, Error> {
        Ok(Self { key: vault.record_key(sam, reference, batch)?, reference })
    }

    /// Whether S4 of a trailer is good.
    pub(crate) fn closes(&self, trailer: &Trailer) -> bool {
        self.key.sign(&trailer.input(self.reference)) == trailer.s4
    }

    /// Whether trailer and records belong together and come from the module, every byte.
    pub(crate) fn check(&self, batch: &Batch) -> Result<(), Reason> {
        let Batch { trailer, records } = batch;
        if !self.closes(trailer) {
            return Err(Reason::WrongS4);
        }
        if !totals_fit(trailer, records) {
            return Err(Reason::WrongTotals);
        }
        let in_place = |(index, record): (usize, &BatchRecord)| {
            record.sam == trailer.sam && record.batch == trailer.batch && usize::from(record.index) == index
        };
        let chain = records.iter().fold(Mac::default(), |previous, record| self.link(previous, record));
        if chain != trailer.chain || !records.iter().enumerate().all(in_place) {
            return Err(Reason::WrongChain);
        }
        if !records.iter().all(|record| self.is_sealed(record)) {
            return Err(Reason::WrongS5);
        }
        Ok(())
    }

    fn link(&self, previous: Mac, record: &BatchRecord) -> Mac {
        let heading = Heading::new(Name::S4, Kind::Purchase, self.reference);
        self.key.sign(&ChainLink { heading, batch: record.batch, previous, s5: record.s5 })
    }

    /// Whether S5 of a record is good.
    pub(crate) fn is_sealed(&self, record: &BatchRecord) -> bool {
        let heading = Heading::new(Name::S5, record.value.entry.kind, self.reference);
        let record_without = BatchRecord { s5: Mac::default(), ..*record };
        self.key.sign(&S5 { heading, record: record_without }) == record.s5
    }

    /// The word that the batch of this trailer is stored.
    pub(crate) fn acknowledge(&self, trailer: &Trailer) -> Acknowledgement {
        let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
        let unsigned = Acknowledgement { sam, batch, s4, mac: Mac::default() };
        Acknowledgement { mac: self.key.sign(&unsigned.input(self.reference)), ..unsigned }
    }
}

/// Counts, and per issuer and currency the sum of what is credited.
fn totals_fit(trailer: &Trailer, records: &[BatchRecord]) -> bool {
    let mut sums = HashMap::new();
    let mut unresolved = 0_usize;
    for record in records {
        let identity = record.value.identity;
        match record.outcome {
            Outcome::Credited => {
                let sum =
                    sums.entry((identity.iep.provider.get(), identity.currency)).or_insert((0_u64, 0_i64));
                sum.0 += 1;
                sum.1 += i64::from(record.value.entry.order.amount.get());
            }
            Outcome::Unresolved => unresolved += 1,
            Outcome::NotDebited | Outcome::Voided | Outcome::Receipt => {}
        }
    }
    let stated = trailer.sums.as_slice();
    let sums_fit = stated.iter().all(|sum| {
        let found = sums.get(&(sum.provider.get(), sum.currency));
        found == Some(&(u64::from(sum.count), sum.total))
            || (found.is_none() && sum.count == 0 && sum.total == 0)
    });
    let none_missing = sums.keys().all(|(provider, currency)| {
        stated.iter().any(|sum| sum.provider.get() == *provider && sum.currency == *currency)
    });
    usize::from(trailer.count) == records.len()
        && usize::from(trailer.unresolved) == unresolved
        && sums_fit
        && none_missing
}
