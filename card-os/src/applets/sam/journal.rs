//! The entries of batches: written with S5, read back as whole records. A PSAM stays powered
//! from payment to payment, so that its next entry proves the last one.

use apdu_spec::StatusWord;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::DerivationKey;
use apdu_spec::element::{BatchNumber, Counter, KeyReference, Kind, Mac};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::record::{BatchRecord, LogEntry, Opening, Outcome, ValueRecord};
use apdu_spec::signature::{Heading, Name, S5};

use super::Sam;
use super::layout::{
    CLOSING_SIZE, Content, ENTRIES, OPENINGS, OUTCOME_SIZE, OpenBatch, Own, Stored, StoredOpening,
};
use crate::kernel::area::Area;
use crate::kernel::memory::Committed;

/// The record key of one batch, kept while the batch is open.
#[derive(Debug)]
pub(super) struct BatchKey {
    batch: BatchNumber,
    pub(super) reference: KeyReference,
    pub(super) mac: MacKey,
}

/// Where an entry went.
#[derive(Debug)]
pub(super) struct Booked {
    pub(super) index: u16,
    pub(super) s5: Mac,
}

impl<X: Protections> Sam<X> {
    /// The record key of `batch`.
    pub(super) fn batch_key(&self, batch: BatchNumber, area: &Area<'_>) -> Result<BatchKey, StatusWord> {
        let reference = self.keys.choose(Function::Record, 0, 0, u8::MAX)?;
        let key = self.keys.key(area, Function::Record, reference)?;
        let mac = DerivationKey::new(key, reference.algorithm).record_key(batch);
        Ok(BatchKey { batch, reference, mac })
    }

    /// The record key of the open batch, computed once.
    fn open_batch_key(&mut self, area: &Area<'_>) -> Result<&BatchKey, StatusWord> {
        // Taken out and put back, a schedule would be copied twice.
        if self.journal.as_ref().is_none_or(|key| key.batch != self.batch.number) {
            self.journal = Some(self.batch_key(self.batch.number, area)?);
        }
        self.journal.as_ref().ok_or(StatusWord::INTERNAL_ERROR)
    }

    /// An entry for the open batch, under S5. `ahead` entries are part of the same commit.
    pub(super) fn prepare(
        &mut self,
        outcome: Outcome,
        content: Content,
        value: &ValueRecord,
        area: &Area<'_>,
    ) -> Result<(Stored, Booked), StatusWord> {
        let index = area.next(ENTRIES).saturating_sub(self.batch.first_entry);
        let index = u16::try_from(index).map_err(|_| StatusWord::NOT_ENOUGH_MEMORY)?;
        let (sam, batch) = (self.parameters()?.sam, self.batch.number);
        let record = BatchRecord { sam, batch, index, outcome, value: *value, s5: Mac::default() };
        let key = self.open_batch_key(area)?;
        let heading = Heading::new(Name::S5, value.entry.kind, key.reference);
        let s5 = key.mac.sign(&S5 { heading, record });
        Ok((Stored { outcome, content, s5 }, Booked { index, s5 }))
    }

    /// Room and a number for an entry of `bytes` that nobody was promised; what open purchases
    /// and closing the batch were promised stays free.
    pub(super) fn ensure_entry(&self, bytes: usize, area: &mut Area<'_>) -> Result<(), StatusWord> {
        let promised = self.open.len();
        if area.numbers_left(ENTRIES) <= promised {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        area.ensure_room(bytes + promised * OUTCOME_SIZE + CLOSING_SIZE)
    }

    /// Commits the outcome of one of our openings.
    pub(super) fn settle(
        &mut self,
        outcome: Outcome,
        own: Own,
        opening: &Opening,
        area: &mut Area<'_>,
    ) -> Result<(Booked, Committed), StatusWord> {
        let value = self.own_value(&own, opening)?;
        let (stored, booked) = self.prepare(outcome, Content::Own(own), &value, area)?;
        let committed = area.change().append(ENTRIES, &stored).followed().commit()?;
        self.forget_open(own.nt);
        Ok((booked, committed))
    }

    /// The purchase is open no longer.
    pub(super) fn forget_open(&mut self, nt: Counter) {
        self.open.retain(|open| *open != nt);
        if self.running.as_ref().is_some_and(|running| running.nt == nt) {
            self.running = None;
        }
    }

    /// The whole value record of one of our openings.
    pub(super) fn own_value(&self, own: &Own, opening: &Opening) -> Result<ValueRecord, StatusWord> {
        Ok(ValueRecord {
            identity: opening.statement.identity,
            entry: LogEntry {
                kind: Kind::Purchase,
                key: opening.key,
                position: opening.statement.position,
                counterpart: self.counterpart(opening.challenge)?,
                order: opening.order,
                s3: own.s3,
                s6: own.s6,
            },
        })
    }

    /// One of our openings that is not acknowledged yet.
    pub(super) fn opening(&self, nt: Counter, area: &Area<'_>) -> Result<Opening, StatusWord> {
        if nt < self.oldest.first_nt {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        let stored: StoredOpening = area.record(OPENINGS, nt.get()).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        Ok(stored.to_opening(nt, self.parameters()?.currency))
    }

    /// The entry at `index` of `batch`, whole.
    pub(super) fn read_entry(
        &self,
        batch: &OpenBatch,
        index: u16,
        area: &Area<'_>,
    ) -> Result<BatchRecord, StatusWord> {
        let number = batch.first_entry + u32::from(index);
        let stored: Stored = area.record(ENTRIES, number).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let value = match &stored.content {
            Content::Own(own) => self.own_value(own, &self.opening(own.nt, area)?)?,
            Content::Receipt(value) => *value,
        };
        let sam = self.parameters()?.sam;
        Ok(BatchRecord { sam, batch: batch.number, index, outcome: stored.outcome, value, s5: stored.s5 })
    }

    /// The last entry about one of our openings, from the open batch alone or from all
    /// that are not acknowledged.
    pub(super) fn outcome_of(&self, nt: Counter, from: &OpenBatch, area: &Area<'_>) -> Option<Stored> {
        let sam = self.parameters.as_ref()?.sam;
        (from.first_entry..area.next(ENTRIES)).rev().find_map(|number| {
            area.record::<Stored>(ENTRIES, number).filter(|stored| match &stored.content {
                Content::Own(own) => own.nt == nt,
                Content::Receipt(value) => {
                    let entry = &value.entry;
                    entry.kind == Kind::Purchase && entry.counterpart.sam == sam && entry.order.nt == nt
                }
            })
        })
    }
}
