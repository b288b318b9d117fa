//! Takes the last purchase of a purse back, at the terminal where it was made and while it is in
//! the open batch.
//!
//! The amount goes back into the purse and nowhere else: for a void no cash is ever handed out,
//! and no goods are taken back before the PSAM has seen the purse's own word.

use apdu_spec::element::{Amount, Balance, Kind, SamCounter, Search};
use apdu_spec::purse::PreviousSignature;

use super::PaymentTerminal;
use crate::Error;
use crate::card::purse::{PurseCard, check_asked};
use crate::reader::Reader;

/// A payment that its purse has taken back, as the purse says under a MAC that the PSAM has checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakenBack {
    /// Amount, minor units: that of the payment at the PSAM.
    pub amount: Amount,
    /// Balance of the purse after it, minor units.
    pub balance: Option<Balance>,
}

impl PaymentTerminal {
    /// The PSAM voids the payment `nt_psam` on the word of its purse, then the purse takes the
    /// amount back. When the purse is gone in between, the same call again finishes it; should that
    /// never happen, a load with [`Funding::Refund`](super::load::Funding::Refund) gives the holder what
    /// he is owed.
    pub fn cancel(&mut self, purse: &mut dyn Reader, nt_psam: SamCounter) -> Result<TakenBack, Error> {
        let mut purse = PurseCard::select(purse)?;
        if purse.is_blocked() {
            return Err(Error::Blocked);
        }
        if let Some(taken_back) = self.taken_back(&mut purse, nt_psam)? {
            return Ok(taken_back);
        }
        let previous = self.last_commit(&mut purse)?;
        let secret = self.sam.cancel(nt_psam, previous)?.secret;
        purse.cancel(secret)?;
        let iep = purse.information()?.identity.iep;
        self.taken_back(&mut purse, nt_psam)?.ok_or(Error::InDoubt(iep))
    }

    /// Gives a payment up without its purse: the merchant is not paid, and the issuer gives the
    /// amount back where it was debited.
    pub fn renounce(&mut self, nt_psam: SamCounter) -> Result<(), Error> {
        self.sam.renounce(nt_psam)
    }

    /// What the purse has taken back of this payment, where that is its last value commit. Its
    /// receipt travels with this PSAM's next batch.
    fn taken_back(
        &mut self,
        purse: &mut PurseCard<'_>,
        nt_psam: SamCounter,
    ) -> Result<Option<TakenBack>, Error> {
        let previous = self.last_commit(purse)?;
        let last = previous.to_receipt().ok().flatten();
        let sam = self.information.sam;
        let is_it = last.filter(|last| {
            (last.kind, last.counterpart.sam, last.order.nt) == (Kind::Cancellation, sam, nt_psam)
        });
        let Some(entry) = is_it else { return Ok(None) };
        self.take_over_all(purse)?;
        // The PSAM believes the MAC; what it has taken over already it takes again.
        let previous = self.last_commit(purse)?;
        self.sam.store_receipt(previous)?;
        let same = previous.to_receipt().ok().flatten() == Some(entry);
        Ok(same.then_some(TakenBack { amount: entry.order.amount, balance: entry.balance_after() }))
    }

    /// What the purse says under a MAC, which the PSAM can check, of its last value commit.
    fn last_commit(&mut self, purse: &mut PurseCard<'_>) -> Result<PreviousSignature, Error> {
        let nv = purse.information()?.nv;
        let request = self.previous_request(nv)?;
        let previous = purse.previous_by_nv(&request)?;
        check_asked(&previous, Search::Nv, nv)?;
        Ok(previous)
    }
}
