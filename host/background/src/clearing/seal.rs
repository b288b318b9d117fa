//! Whether a batch is whole: S4 over its trailer, counts and sums, the chain over its
//! records, S5 of each; and its acknowledgement. All under the record key of the
//! module (design, Keys).

use apdu_spec::batch::{Acknowledgement, Sum, Sums, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{BatchNumber, KeyReference, Kind, Mac, SamId, Time};
use apdu_spec::record::{BatchRecord, Outcome};
use apdu_spec::signature::{ChainLink, Heading, Name, S5};
use apdu_spec::wire::List;
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

    /// The word that the batch of this trailer is stored.
    pub(crate) fn acknowledge(&self, trailer: &Trailer, now: Time) -> Acknowledgement {
        let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
        let (list_min, resolved, mac) = (0, List::new(), Mac::default());
        let unsigned = Acknowledgement { sam, batch, s4, time: now, list_min, resolved, mac };
        Acknowledgement { mac: self.key.sign(&unsigned.input(self.reference)), ..unsigned }
    }
}

/// Counts, and per issuer and currency sums that have grown by what is in the batch at least: what
/// they were before, the batch before says.
fn totals_fit(trailer: &Trailer, records: &[BatchRecord]) -> bool {
    let unresolved = records.iter().filter(|record| record.outcome == Outcome::Unresolved).count();
    usize::from(trailer.count) == records.len()
        && usize::from(trailer.unresolved) == unresolved
        && grown(&List::new(), records).is_some_and(|grown| {
            grown.as_slice().iter().all(|least| trailer.sums.as_slice().iter().any(|sum| covers(sum, least)))
        })
}

/// The sums of a trailer after these records; nothing where they are no sums of one PSAM.
pub(crate) fn grown(before: &Sums, records: &[BatchRecord]) -> Option<Sums> {
    let mut sums = before.clone();
    records.iter().try_for_each(|record| record.add_to(&mut sums)).ok()?;
    Some(sums)
}

/// Whether a sum since issue is of the issuer and currency of `least`, and no less.
fn covers(sum: &Sum, least: &Sum) -> bool {
    (sum.provider, sum.currency) == (least.provider, least.currency)
        && sum.count >= least.count
        && sum.credited >= least.credited
        && sum.voided >= least.voided
        && sum.claimed >= least.claimed
}
