//! Payments of a PSAM that is lost for ever, known from receipts alone.
//!
//! That it is lost is not enough: pay, cancel, drown the PSAM, collect on receipts. But a purse can take
//! back its last value commit only, so that a payment is final once it is not the last one, and nothing
//! says that it was taken back; or once the purse has expired and everything else has come in.

use apdu_spec::element::{Date, Time};

use super::booking::Booking;
use super::deduplicate::confirm;
use crate::error::Error;
use crate::store::Tx;
use crate::store::commits::{Commit, Side};
use crate::vault::Vault;

/// Confirms what is final.
pub(crate) fn release(tx: &Tx<'_>, vault: &Vault, now: Time) -> Result<(), Error> {
    let waiting = tx.unconfirmed_of_lost()?;
    let mut booking = Booking::new(tx, vault, now);
    for known in waiting {
        if is_final(&mut booking, &known)? {
            confirm(&mut booking, &known, None)?;
        }
    }
    booking.finish()
}

fn is_final(booking: &mut Booking<'_>, known: &Commit) -> Result<bool, Error> {
    let value = known.evidence.value();
    let (iep, Some(nv)) = (value.identity.iep, value.entry.nv()) else { return Ok(false) };
    let Some(purse) = booking.purse(iep)?.copied() else { return Ok(false) };
    let Date(expiry) = purse.expiry;
    let collected = Date(expiry.saturating_add(booking.tx.collection(iep.provider)?));
    if booking.now.date() > collected || purse.stated_nv > nv && purse.stated_cancellation <= nv {
        return Ok(true);
    }
    // The next one itself, which would have cancelled it, or a later one that says that none did.
    let Some(next) = nv.next() else { return Ok(false) };
    let later = booking.tx.neighbour(iep, next, Side::From)?.map(|later| later.evidence.value().entry);
    Ok(later.is_some_and(|later| later.position.nv == nv || later.position.nv_cancellation <= nv))
}
