//! A voided purchase is refunded by a load of its amount, and by one alone.
//!
//! Not before its purse can take it back no more: what comes after the purchase is known and is not
//! its cancellation, or it is this very load that takes the next number. Else refund and cancellation
//! would both pay. The void stands until the load is confirmed.

use apdu_spec::element::{Counter, Kind};
use network::{Funding, TransferRequest};

use crate::clearing::booking::Booking;
use crate::clearing::deduplicate::change;
use crate::clearing::exception::{Exception, Reason};
use crate::error::Error;
use crate::ledger::posting::Event;
use crate::store::commits::CommitState;
use crate::store::transfers::Transfer;

/// What a terminal is told that asks for a refund which nobody owes.
pub(super) const NOT_OWED: &str = "no voided purchase of this amount is known that the purse can take back \
                                   no more; collect from the terminal that voided it, then ask again";

/// Whether a refund that is asked for is owed; whatever is none, is.
pub(super) fn is_owed(booking: &Booking<'_>, request: &TransferRequest) -> Result<bool, Error> {
    Ok(request.funding != Funding::Refund || request.kind == Kind::Load && void(booking, request)?.is_some())
}

fn void(booking: &Booking<'_>, request: &TransferRequest) -> Result<Option<Counter>, Error> {
    let statement = &request.initialized.statement;
    booking.tx.refundable_void(statement.identity.iep, request.amount, &statement.position)
}

/// A load is confirmed: where it is a refund, nothing is owed for the purchase any more.
pub(super) fn clear(booking: &mut Booking<'_>, load: &Transfer) -> Result<(), Error> {
    if (load.kind(), load.funding()) != (Kind::Load, Funding::Refund) {
        return Ok(());
    }
    let (iep, void) = (load.iep(), void(booking, &load.request)?);
    let known = void.map(|nv| booking.tx.commit(iep, nv)).transpose()?.flatten();
    let (Some(nv), Some(known)) = (void, known) else {
        let exception = Exception::of_purse(Reason::RefundNotOwed, iep, load.nv_before().next(), Vec::new());
        return booking.tx.insert_exception(&exception, booking.now);
    };
    booking.tx.set_commit_state(iep, nv, CommitState::Refunded)?;
    change(booking, &known, CommitState::Refunded, Event::Refunded(iep, nv))
}
