//! A purse has taken a purchase back: its own S6 says so, wherever the record of the
//! purchase is. A cancellation that comes before its purchase waits for it.

use apdu_spec::element::{Counter, IepId};
use apdu_spec::record::Outcome;

use super::booking::Booking;
use super::deduplicate::{Once, once};
use super::exception::Reason;
use super::post::{Item, Taken, merchant_of};
use super::verify::verify_cancellation;
use crate::error::Error;
use crate::ledger::chart::{self, Movement};
use crate::ledger::posting::Event;
use crate::store::commits::{Commit, CommitState, Source};

/// Books a cancellation, or parks it.
pub(crate) fn cancel(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let value = item.evidence.value();
    let iep = value.identity.iep;
    let bought = value.entry.position.nv;
    let Some(purchase) = booking.tx.commit(iep, bought)? else {
        if let Some(nv) = value.entry.nv() {
            booking.tx.insert_waiting(&item.evidence, nv)?;
            booking.doubt(iep)?;
        }
        return Ok(Ok(()));
    };
    if let Err(reason) = verify_cancellation(booking.vault, value, purchase.evidence.value()) {
        return booking.refuse(item, reason);
    }
    match once(booking, item, CommitState::Recorded)? {
        Once::First(_) => take_back(booking, item, &purchase, bought),
        Once::Again(_) => Ok(Ok(())),
        Once::Contradicts(reason) => booking.refuse(item, reason),
    }
}

/// Takes up the cancellations that waited for this purchase, which has come in. They are found by
/// their number: what somebody has planted under other numbers costs nothing.
pub(crate) fn take_up(booking: &mut Booking<'_>, iep: IepId, bought: Counter) -> Result<(), Error> {
    let Some(nv) = bought.next() else { return Ok(()) };
    for evidence in booking.tx.take_waiting(iep, nv)? {
        let (outcome, source) = (Outcome::Receipt, Source::Receipt);
        // Whether it is taken or refused, it has found its place.
        let _ = cancel(booking, &Item { evidence, outcome, source, sender: None, verdict: Ok(()) })?;
    }
    Ok(())
}

/// Purchase and cancellation net to zero; the merchant is not paid.
fn take_back(booking: &mut Booking<'_>, item: &Item, purchase: &Commit, bought: Counter) -> Taken {
    let value = purchase.evidence.value();
    let (iep, amount) = (value.identity.iep, i64::from(value.entry.order.amount.get()));
    let (state, movement, reason) = consequence(booking, purchase)?;
    booking.move_shadow(iep, amount)?;
    booking.tx.set_commit_state(iep, bought, state)?;
    booking.journal.post(Event::Cancelled(iep, bought), movement, value.identity.currency, amount)?;
    match reason {
        // Booked all the same: the exception is about the PSAM, not about the purse.
        Some(reason) => booking.refuse(item, reason).map(|_| Ok(())),
        None => Ok(Ok(())),
    }
}

/// Where the value comes back from, and whether somebody has to look at it.
fn consequence(
    booking: &mut Booking<'_>,
    purchase: &Commit,
) -> Result<(CommitState, Movement, Option<Reason>), Error> {
    let value = purchase.evidence.value();
    let issuer = value.identity.iep.provider;
    let merchant = merchant_of(booking, value.entry.counterpart.sam)?;
    let merchant = merchant.ok_or(Error::Damaged("purchase without a merchant"))?;
    Ok(match purchase.state {
        CommitState::Settled | CommitState::CancelledLate => {
            (CommitState::CancelledLate, chart::settled_cancelled(issuer), Some(Reason::CancelledLate))
        }
        CommitState::Booked => {
            let submitted = (purchase.source == Source::Own).then_some(Reason::CancelledButSubmitted);
            (CommitState::Cancelled, chart::payment_cancelled(issuer, merchant), submitted)
        }
        CommitState::Voided | CommitState::Cancelled | CommitState::Recorded => {
            (CommitState::Cancelled, chart::voided_cancelled(issuer), None)
        }
    })
}
