//! Whether a batch is whole: S4 over its trailer, counts and sums, the chain over its
//! records, S5 of each; and its acknowledgement. All under the record key of the
//! module (design, Keys).

use apdu_spec::batch::{Acknowledgement, Sum, Sums, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{BatchNumber, KeyReference, Kind, Mac, SamId, Total};
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
        let heading = Heading::new(Name::Chain, Kind::Purchase, self.reference);
        self.key.sign(&ChainLink { heading, batch: record.batch, previous, s5: record.s5 })
    }

    /// Whether S5 of a record is good.
    pub(crate) fn is_sealed(&self, record: &BatchRecord) -> bool {
        let heading = Heading::new(Name::S5, record.value.entry.kind, self.reference);
        let record_without = BatchRecord { s5: Mac::default(), ..*record };
        self.key.sign(&S5 { heading, record: record_without }) == record.s5
    }

    /// The word that a batch is stored, under its MAC.
    pub(crate) fn acknowledge(&self, unsigned: Acknowledgement) -> Acknowledgement {
        Acknowledgement { mac: self.key.sign(&unsigned.input(self.reference)), ..unsigned }
    }
}

/// Whether the counts fit; what the sums of the PSAM were before, sequence says.
fn totals_fit(trailer: &Trailer, records: &[BatchRecord]) -> bool {
    let unresolved = records.iter().filter(|record| record.outcome == Outcome::Unresolved).count();
    usize::from(trailer.count) == records.len()
        && usize::from(trailer.unresolved) == unresolved
        && sums_before(trailer, records).is_some()
}

/// The sums of a PSAM before a batch; nothing where the batch is more than all that it has
/// handed in.
pub(crate) fn sums_before(trailer: &Trailer, records: &[BatchRecord]) -> Option<Sums> {
    let mut batch = Sums::new();
    records.iter().try_for_each(|record| record.add_to(&mut batch)).ok()?;
    let mut before = trailer.sums.clone();
    for part in batch.as_slice() {
        let sum = before.iter_mut().find(|sum| is_alike(sum, part))?;
        sum.count = sum.count.checked_sub(part.count)?;
        sum.credited = less(sum.credited, part.credited)?;
        sum.voided = less(sum.voided, part.voided)?;
        sum.claimed = less(sum.claimed, part.claimed)?;
    }
    Some(before)
}

fn is_alike(sum: &Sum, other: &Sum) -> bool {
    (sum.provider, sum.currency) == (other.provider, other.currency)
}

fn less(total: Total, part: Total) -> Option<Total> {
    total.get().checked_sub(part.get()).and_then(Total::new)
}
