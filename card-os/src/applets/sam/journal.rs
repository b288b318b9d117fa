//! The entries of batches: written with S5, read back as whole records. A PSAM stays powered
//! from payment to payment, so that its next entry proves the last one.

use apdu_spec::StatusWord;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::DerivationKey;
use apdu_spec::element::{BatchNumber, KeyReference, Kind, Mac, SamCounter};
use apdu_spec::personalisation::Function;
use apdu_spec::protections::Protections;
use apdu_spec::record::{BatchRecord, LogEntry, Opening, Outcome, ValueRecord};
use apdu_spec::signature::{Heading, Name, S5};

use super::Sam;
use super::layout::{CLOSING_SIZE, Content, ENTRIES, OpenBatch, Own, Stored};
use super::openings::Open;
use crate::kernel::area::{Area, Cell};
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
        let (list, value, s5) = (self.batch.list, *value, Mac::default());
        let record = BatchRecord { sam, batch, index, outcome, list, value, s5 };
        let key = self.open_batch_key(area)?;
        let heading = Heading::new(Name::S5, value.entry.kind, key.reference);
        let s5 = key.mac.sign(&S5 { heading, record });
        Ok((Stored { outcome, content, s5 }, Booked { index, s5 }))
    }

    /// Room and a number for an entry of `bytes` that nobody was promised; what open purchases
    /// and closing the batch were promised stays free.
    pub(super) fn ensure_entry(&self, bytes: usize, area: &mut Area<'_>) -> Result<(), StatusWord> {
        if area.numbers_left(ENTRIES) <= self.open.len() {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        area.ensure_room(bytes + self.promised() + CLOSING_SIZE)
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
        let (content, cell) = self.content(own, &value, area);
        let (stored, booked) = self.prepare(outcome, content, &value, area)?;
        let mut change = area.change();
        change.append(ENTRIES, &stored);
        if let Some(cell) = cell {
            change.clear(cell);
        }
        let committed = change.followed().commit()?;
        self.forget_open(own.nt);
        Ok((booked, committed))
    }

    /// What an entry keeps of one of our own, and the cell that is free with it: all of it, where
    /// the opening in the log is another's.
    pub(super) fn content(&self, own: Own, value: &ValueRecord, area: &Area<'_>) -> (Content, Option<Cell>) {
        let cell = self.open.iter().find(|open| open.nt == own.nt).map(Open::cell);
        let is_whole = || {
            let last = self.own_outcome(own.nt, area);
            last.is_some_and(|(_, last)| matches!(last.content, Content::Whole(_)))
        };
        match cell {
            Some(Some(cell)) => (Content::Whole(*value), Some(cell)),
            Some(None) => (Content::Own(own), None),
            None if is_whole() => (Content::Whole(*value), None),
            None => (Content::Own(own), None),
        }
    }

    /// The purchase is open no longer.
    pub(super) fn forget_open(&mut self, nt: SamCounter) {
        self.open.retain(|open| open.nt != nt);
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
            Content::Own(own) => self.own_value(own, &self.first_opening(own.nt, area)?)?,
            Content::Whole(value) => *value,
        };
        let sam = self.parameters()?.sam;
        let Stored { outcome, s5, .. } = stored;
        Ok(BatchRecord { sam, batch: batch.number, index, outcome, list: batch.list, value, s5 })
    }

    /// The last entry in which this PSAM says what became of one of its openings, of all batches
    /// that are not acknowledged; with its number.
    pub(super) fn own_outcome(&self, nt: SamCounter, area: &Area<'_>) -> Option<(u32, Stored)> {
        self.last_entry(area, |stored| stored.own().is_some_and(|own| own.nt == nt))
    }

    /// Whether the purse's word on one of our openings has come in as a receipt.
    pub(super) fn has_receipt(&self, nt: SamCounter, area: &Area<'_>) -> bool {
        let Some(sam) = self.parameters.as_ref().map(|parameters| parameters.sam) else { return false };
        let about = |stored: &Stored| match &stored.content {
            Content::Whole(value) if stored.outcome == Outcome::Receipt => {
                let entry = &value.entry;
                entry.kind == Kind::Purchase && entry.counterpart.sam == sam && entry.order.nt == nt
            }
            _ => false,
        };
        self.last_entry(area, about).is_some()
    }

    fn last_entry(&self, area: &Area<'_>, is_it: impl Fn(&Stored) -> bool) -> Option<(u32, Stored)> {
        let entries = (self.oldest.first_entry..area.next(ENTRIES)).rev();
        entries
            .filter_map(|number| Some((number, area.record(ENTRIES, number)?)))
            .find(|(_, stored)| is_it(stored))
    }
}
