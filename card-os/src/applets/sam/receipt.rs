//! PSAM STORE RECEIPT: value commits whose evidence another terminal may never have
//! got are taken over from the purse, in order, so that the purse may forget them.

use apdu_spec::StatusWord;
use apdu_spec::element::{Counter, Kind};
use apdu_spec::record::{Outcome, ValueRecord};
use apdu_spec::sam::{CreditRequest, ReceiptRequest};

use super::Sam;
use super::layout::{CLOSING_SIZE, Content, ENTRIES, OUTCOME_SIZE};
use crate::kernel::area::Area;

/// Bytes of a receipt entry, in memory.
const RECEIPT_SIZE: usize = 136;

impl Sam {
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
        let order = entry.order;

        // The answer to an open purchase of our own that was lost.
        let own = entry.kind == Kind::Purchase && entry.counterpart.sam == self.parameters()?.sam;
        if own && self.open.contains(&order.nt) {
            let credit = CreditRequest { nt: order.nt, s3: entry.s3, s6: entry.s6 };
            let _ = self.credit_with(&credit, area)?;
        } else if !own || self.outcome_of(order.nt, &self.oldest, area).is_none_or(is_claim) {
            let value = ValueRecord { identity, entry };
            area.ensure_room(RECEIPT_SIZE + self.open.len() * OUTCOME_SIZE + CLOSING_SIZE)?;
            let (stored, _) = self.prepare(Outcome::Receipt, Content::Receipt(value), &value, area)?;
            let _ = area.change().append(ENTRIES, &stored).commit()?;
        }
        self.note_taken_over(&request.previous, nv);
        Ok(())
    }

    /// Receipts count as taken over when they come without a gap from the oldest held.
    fn note_taken_over(&mut self, previous: &apdu_spec::purse::PreviousSignature, nv: Counter) {
        let statement = &previous.statement;
        let iep = statement.identity.iep;
        let held = u32::from(statement.position.receipts);
        let freed = statement.position.nv.get().saturating_sub(held);
        let before = match self.taken_over {
            Some((purse, nv)) if purse == iep => nv.get().max(freed),
            _ => freed,
        };
        if nv.get() == before + 1 {
            self.taken_over = Some((iep, nv));
        }
    }
}

fn is_claim(stored: super::layout::Stored) -> bool {
    stored.outcome == Outcome::Unresolved
}
