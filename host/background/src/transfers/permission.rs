//! What a load terminal may do, and what takes two operators' word.

use apdu_spec::element::{Kind, Time};
use network::{Funding, Rejection, RejectionCode, TransferRequest};

use super::authenticate::unknown;
use crate::clearing::booking::Booking;
use crate::error::Error;
use crate::management::approvals::{Approval, SIGNERS, earliest, is_unused, signers};
use crate::store::Tx;
use crate::store::approvals::Asked;
use crate::store::load_terminals::Permissions;
use crate::store::purses::Purse;

type Permitted<T> = Result<Result<T, Rejection>, Error>;

fn reject<T>(code: RejectionCode, text: String) -> Permitted<T> {
    Ok(Err(Rejection { code, text }))
}

/// What the terminal may do, where that includes this funding.
pub(super) fn terminal(booking: &Booking<'_>, request: &TransferRequest) -> Permitted<Permissions> {
    let sam = request.counterpart.sam;
    let Some(permissions) = booking.tx.permissions(sam)? else { return Err(unknown(sam)) };
    if permissions.allow(request.funding) {
        return Ok(Ok(permissions));
    }
    let what = match request.funding {
        Funding::Account => "holders' accounts",
        Funding::Cash => "cash",
        Funding::Operator => "the operator's money",
        Funding::Refund => "refunds",
    };
    let text = format!("load terminal {sam} may not move {what}; register one that may");
    reject(RejectionCode::NotPermitted, text)
}

/// Whether a load may be made with the operator's money: within what the terminal may give in a
/// day, or approved. An unload costs the operator nothing.
pub(super) fn of_operators(
    booking: &Booking<'_>,
    terminal: &Permissions,
    request: &TransferRequest,
    purse: &Purse,
) -> Permitted<()> {
    let limit = terminal.operator.filter(|_| request.funding == Funding::Operator);
    let Some(limit) = limit.filter(|_| request.kind == Kind::Load) else { return Ok(Ok(())) };
    if booking.tx.give(request.counterpart.sam, request.amount, booking.now.date())? {
        return Ok(Ok(()));
    }
    let asked = asked_for(booking.tx, request, purse, booking.now)?;
    let missing = SIGNERS.saturating_sub(signers(booking.tx, &asked)?.len());
    if missing == 0 {
        booking.tx.use_approval(asked.number, request.initialized.statement.position.nt)?;
        return Ok(Ok(()));
    }
    let text = format!(
        "the terminal may give {} of the operator's money in a day, and no more without approval {}, which \
         {missing} of {SIGNERS} operators have yet to sign",
        purse.currency.show(limit.get().into()),
        asked.number,
    );
    reject(RejectionCode::ApprovalNeeded, text)
}

/// The approval that this load needs, new where nobody has asked for it.
fn asked_for(tx: &Tx<'_>, request: &TransferRequest, purse: &Purse, now: Time) -> Result<Approval, Error> {
    let (terminal, iep, amount) = (request.counterpart.sam, purse.iep, request.amount);
    let is_for_it = |asked: &Asked| (asked.approval.iep, asked.approval.amount) == (iep, amount);
    for asked in tx.approvals_of(terminal, earliest(now))?.into_iter().filter(is_for_it) {
        if is_unused(tx, &asked)? {
            return Ok(asked.approval);
        }
    }
    let approval = Approval { number: 0, terminal, iep, currency: purse.currency, amount, asked: now };
    Ok(Approval { number: tx.insert_approval(&approval)?, ..approval })
}
