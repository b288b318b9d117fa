//! Cancels the last purchase of a purse, at the terminal where it was made and while
//! it is in the open batch.

use apdu_spec::element::Counter;

use super::PaymentTerminal;
use crate::Error;
use crate::card::purse::PurseCard;
use crate::reader::Reader;

impl PaymentTerminal {
    /// The PSAM voids the payment `nt_psam`, then the purse takes the amount back. When the
    /// purse is gone in between, the same call again finishes it; should that never
    /// happen, the background system refunds on the purse's evidence.
    pub fn cancel(&mut self, purse: &mut dyn Reader, nt_psam: Counter) -> Result<(), Error> {
        let mut purse = PurseCard::select(purse)?;
        if purse.is_blocked() {
            // It would not take the amount back, and the PSAM would have voided the payment.
            return Err(Error::Blocked);
        }
        let secret = self.sam.cancel(nt_psam)?.secret;
        purse.cancel(secret)?;
        // The cancellation's own receipt travels with this PSAM's next batch.
        self.take_over_all(&mut purse)
    }
}
