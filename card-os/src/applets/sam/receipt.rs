//! PSAM STORE RECEIPT: value commits whose evidence another terminal may never have
//! got are taken over from the purse, in order, so that the purse may forget them.

use apdu_spec::StatusWord;
use apdu_spec::element::{Kind, Mac};
use apdu_spec::protections::Protections;
use apdu_spec::record::{Outcome, Statement, ValueRecord};
use apdu_spec::sam::{CreditRequest, ReceiptRequest};

use super::Sam;
use super::journal::Booked;
use super::layout::{Content, ENTRIES, Stored};
use crate::kernel::area::Area;
use crate::kernel::memory::Committed;

/// Bytes of a receipt entry, in memory.
const RECEIPT_SIZE: usize = super::layout::WHOLE_SIZE;

impl<X: Protections> Sam<X> {
    /// PSAM STORE RECEIPT.
    pub(super) fn store_receipt(
        &mut self,
        request: &ReceiptRequest,
        area: &mut Area<'_>,
    ) -> Result<(), StatusWord> {
        let previous = &request.previous;
        self.check_previous(previous, area)?;
        let identity = previous.statement.identity;
        if !self.parameters()?.providers.as_slice().contains(&identity.iep.provider) {
            return Err(StatusWord::FOREIGN_PURSE);
        }
        let entry = previous.to_receipt().map_err(|_| StatusWord::WRONG_DATA)?;
        let entry = entry.ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let nv = entry.nv().ok_or(StatusWord::WRONG_DATA)?;
        let value = ValueRecord { identity, entry };
        let next = self.next_to_take(&previous.statement);
        match self.own_payment(&value, area)? {
            Own::Open => {
                let credit = CreditRequest { nt: entry.order.nt, s3: entry.s3, s6: entry.s6 };
                let _ = self.credit_with(&credit, area)?;
            }
            Own::Settled => {}
            Own::No if nv.get() < next => return Ok(()), // it came again
            Own::No if nv.get() > next => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            Own::Claim | Own::No => {
                let _ = self.keep_receipt(&value, area)?;
            }
        }
        if nv.get() == next {
            self.taken_over = Some((identity.iep, nv));
        }
        Ok(())
    }

    /// NV of the receipt that comes next: they come without a gap from the oldest held, so
    /// that nobody fills the PSAM with repeats.
    fn next_to_take(&self, statement: &Statement) -> u32 {
        let held = u32::from(statement.position.receipts);
        let freed = statement.position.nv.get().saturating_sub(held);
        match self.taken_over {
            Some((iep, nv)) if iep == statement.identity.iep => nv.get().max(freed) + 1,
            _ => freed + 1,
        }
    }

    /// What this PSAM knows of a payment that was made here.
    fn own_payment(&self, value: &ValueRecord, area: &Area<'_>) -> Result<Own, StatusWord> {
        let entry = &value.entry;
        if entry.kind != Kind::Purchase || entry.counterpart.sam != self.parameters()?.sam {
            return Ok(Own::No);
        }
        let nt = entry.order.nt;
        if self.open(nt).is_some() {
            return Ok(Own::Open);
        }
        let silent = |stored: &Stored| stored.own().is_some_and(|own| own.s6 == Mac::default());
        Ok(match self.own_outcome(nt, area) {
            // Renounced, or handed in as a claim: what the purse says of it is news.
            Some((_, stored)) if silent(&stored) && !self.has_receipt(nt, area) => Own::Claim,
            None if !self.has_receipt(nt, area) => Own::No, // acknowledged long ago
            Some(_) | None => Own::Settled,
        })
    }

    /// Commits a receipt to the open batch.
    pub(super) fn keep_receipt(
        &mut self,
        value: &ValueRecord,
        area: &mut Area<'_>,
    ) -> Result<(Booked, Committed), StatusWord> {
        self.ensure_entry(RECEIPT_SIZE, area)?;
        let (stored, booked) = self.prepare(Outcome::Receipt, Content::Whole(*value), value, area)?;
        let committed = area.change().append(ENTRIES, &stored).followed().commit()?;
        Ok((booked, committed))
    }
}

/// A receipt as seen from the PSAM that it may name.
enum Own {
    /// Of another PSAM, or forgotten here.
    No,
    /// The answer to an open purchase of ours that was lost.
    Open,
    /// We have handed it in, and without the word of the purse.
    Claim,
    /// We have its outcome.
    Settled,
}
