//! Taking over the receipts that a purse holds, so that it may forget them.

use apdu_spec::StatusWord;
use apdu_spec::element::{Counter, Search};
use apdu_spec::record::Statement;

use super::PaymentTerminal;
use crate::Error;
use crate::card::purse::{PurseCard, check_asked};
use crate::reader::Reader;

/// Receipts held from which on a terminal takes some over: each costs an exchange, so
/// that few taps pay for it.
pub(super) const TAKE_OVER_FROM: u8 = 12;
/// Receipts that one tap takes over.
pub(super) const TAKE_OVER_AT_ONCE: u32 = 4;

impl PaymentTerminal {
    /// Takes over everything that the purse in the reader holds and has room here; the
    /// purse forgets it at its next value commit. For a purse of which records are missing,
    /// such as those of a terminal that was destroyed.
    pub fn relieve(&mut self, purse: &mut dyn Reader) -> Result<(), Error> {
        self.take_over_all(&mut PurseCard::select(purse)?)
    }

    /// Opens a session to see what there is, and takes all of it over.
    pub(super) fn take_over_all(&mut self, purse: &mut PurseCard<'_>) -> Result<(), Error> {
        let counterpart = self.counterpart()?;
        let (group, version) = (self.information.group, self.information.version);
        let statement = purse.initialize_purchase(group, version, counterpart)?.statement;
        self.take_over(purse, &statement, u32::from(statement.position.receipts))
    }

    /// Takes over the oldest receipts that a purse holds, `count` at most.
    pub(super) fn take_over(
        &mut self,
        purse: &mut PurseCard<'_>,
        statement: &Statement,
        count: u32,
    ) -> Result<(), Error> {
        let nv = statement.position.nv.get();
        let freed = nv.saturating_sub(u32::from(statement.position.receipts));
        for number in (freed + 1..=nv).take(count as usize).filter_map(Counter::new) {
            let request = self.previous_request(number)?;
            let previous = purse.previous_by_nv(&request)?;
            check_asked(&previous, Search::Nv, number)?;
            match self.sam.store_receipt(previous) {
                // No room: the next terminal takes it over.
                Err(error) if error.status() == Some(StatusWord::NOT_ENOUGH_MEMORY) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }
}
