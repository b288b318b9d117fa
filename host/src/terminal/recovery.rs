//! What became of a payment: the purse is asked, answers under a MAC, and the PSAM
//! believes the MAC. Works in the same tap, at the next one, and after a crash of the
//! terminal; at another terminal the purse's receipt is taken over instead.

use apdu_spec::StatusWord;
use apdu_spec::element::{IepId, Search};

use super::PaymentTerminal;
use super::journal::Intent;
use super::purchase::{Payment, Receipt};
use crate::Error;
use crate::card::purse::{PurseCard, check_asked};
use crate::reader::Reader;

/// Payments of a purse that are in doubt at a terminal.
pub(super) fn of_purse(terminal: &PaymentTerminal, iep: IepId) -> Vec<Intent> {
    terminal.in_doubt().into_iter().filter(|intent| intent.iep == iep).collect()
}

impl PaymentTerminal {
    /// Resolves all payments of the purse in the reader that are in doubt here; each with
    /// its receipt, or nothing where it was never debited.
    pub fn recover(&mut self, purse: &mut dyn Reader) -> Result<Vec<(Intent, Option<Receipt>)>, Error> {
        let mut purse = PurseCard::select(purse)?;
        let iep = purse.information()?.identity.iep;
        of_purse(self, iep)
            .into_iter()
            .map(|intent| Ok((intent, self.resolve(&mut purse, &intent)?)))
            .collect()
    }

    /// The end of a payment whose answer was not good: asked in the same tap.
    pub(super) fn find_out(
        &mut self,
        purse: &mut PurseCard<'_>,
        intent: &Intent,
        status: Option<StatusWord>,
    ) -> Payment {
        match self.resolve(purse, intent) {
            Ok(Some(receipt)) => Payment::Paid(receipt),
            Ok(None) => Payment::Refused(status),
            Err(_) => Payment::InDoubt(*intent),
        }
    }

    /// Asks the purse and tells the PSAM; the receipt, or nothing where no value moved.
    pub(super) fn resolve(
        &mut self,
        purse: &mut PurseCard<'_>,
        intent: &Intent,
    ) -> Result<Option<Receipt>, Error> {
        let request = self.previous_request(intent.nt_iep)?;
        let previous = purse.previous_by_nt(&request)?;
        check_asked(&previous, Search::Nt, intent.nt_iep)?;
        let iep = previous.statement.identity.iep;
        if iep != intent.iep {
            return Err(Error::OtherPurse { found: iep, wanted: intent.iep });
        }
        let paid = previous.found != 0;
        let told = match paid {
            true => self.sam.store_receipt(previous),
            false => self.sam.complete(intent.nt_psam, previous),
        };
        match told {
            // The PSAM has checked the denial, and has closed the batch meanwhile: what it claims is
            // the background system's to end.
            Err(error) if !paid && error.status() == Some(StatusWord::RECORD_NOT_FOUND) => {}
            other => other?,
        }
        self.settle(intent);
        let commit = previous.to_receipt().ok().flatten();
        let balance = commit.and_then(|commit| commit.balance_after());
        Ok(paid.then(|| intent.receipt(balance, None)))
    }

    /// Notes that the PSAM knows what became of a payment. Where the journal fails, the
    /// purse is asked once more when it comes again, and that is all.
    pub(super) fn settle(&mut self, intent: &Intent) {
        let _ = self.journal.settle(intent.nt_psam);
    }
}
