//! A purse has taken a purchase back: its own S6 says so, wherever the record of the
//! purchase is. A cancellation that comes before its purchase waits for it.

use std::collections::HashSet;

use apdu_spec::element::{Counter, IepId, Kind};
use apdu_spec::record::Outcome;

use super::booking::Booking;
use super::deduplicate::{Once, change, once};
use super::exception::{Exception, Reason};
use super::post::{Item, Taken};
use super::statement;
use super::verify::verify_cancellation;
use crate::error::Error;
use crate::ledger::posting::Event;
use crate::store::claims::Room;
use crate::store::commits::{Commit, CommitState, Source};

/// Books a cancellation, or parks it.
pub(crate) fn cancel(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let value = item.evidence.value();
    let iep = value.identity.iep;
    let bought = value.entry.position.nv;
    let Some(purchase) = booking.tx.commit(iep, bought)? else { return park(booking, item) };
    if let Err(reason) = verify_cancellation(booking.vault, value, purchase.evidence.value()) {
        return booking.refuse(item, reason);
    }
    match once(booking, item, CommitState::Recorded, None)? {
        Once::First(_) => {
            take_back(booking, &purchase)?;
            statement::take_up(booking, iep, &value.entry.position)?;
            Ok(Ok(()))
        }
        Once::Again(_) => Ok(Ok(())),
        Once::Contradicts(reason) => booking.refuse(item, reason),
    }
}

/// A cancellation waits for its purchase, without which its MACs cannot be checked. Each module has
/// little room for that, so that what one has planted keeps nobody else's out.
fn park(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let (Some(nv), Some((sender, _))) = (item.evidence.value().entry.nv(), item.sender) else {
        return booking.refuse(item, Reason::CancelsNothing);
    };
    let room = if booking.vault.off().bounds { Room::ENDLESS } else { Room::OF_A_MODULE };
    if !booking.tx.insert_waiting(&item.evidence, nv, sender, &room)? {
        return booking.refuse(item, Reason::TooManyWaiting);
    }
    if let Some(purse) = booking.purse(item.evidence.value().identity.iep)? {
        purse.waiting = true;
    }
    Ok(Ok(()))
}

/// Takes up the cancellations that waited for these purchases, which have come in. They are found by
/// their number: what somebody has planted under other numbers costs nothing.
pub(crate) fn take_up(booking: &mut Booking<'_>, iep: IepId, bought: &[Counter]) -> Result<(), Error> {
    let numbers: HashSet<_> = bought.iter().filter_map(|nv| nv.next()).collect();
    let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else { return Ok(()) };
    let waiting = booking.tx.waiting_between(iep, *first, *last)?;
    for nv in waiting.into_iter().filter(|nv| numbers.contains(nv)) {
        take_up_one(booking, iep, nv)?;
    }
    Ok(())
}

fn take_up_one(booking: &mut Booking<'_>, iep: IepId, nv: Counter) -> Result<(), Error> {
    for evidence in booking.tx.take_waiting(iep, nv)? {
        let (outcome, source) = (Outcome::Receipt, Source::Receipt);
        // Whether it is taken or refused, it has found its place.
        let _ = cancel(booking, &Item { evidence, outcome, source, sender: None, verdict: Ok(()) })?;
    }
    Ok(())
}

/// A purse states that it has taken this purchase back, or the number after it.
pub(crate) fn stated(booking: &mut Booking<'_>, iep: IepId, bought: Counter) -> Result<(), Error> {
    match booking.tx.commit(iep, bought)? {
        Some(purchase) if purchase.evidence.value().entry.kind == Kind::Purchase => {
            let next = bought.next().map(|next| booking.tx.commit(iep, next)).transpose()?.flatten();
            match next {
                Some(next) if next.evidence.value().entry.kind != Kind::Cancellation => Ok(()),
                _ => take_back(booking, &purchase),
            }
        }
        Some(_) => Ok(()),
        None => {
            booking.tx.insert_taken_back(iep, bought)?;
            if let Some(purse) = booking.purse(iep)? {
                purse.taken_back = true;
            }
            Ok(())
        }
    }
}

/// Takes back a purchase that has come in after its purse has said so.
pub(crate) fn meet_purchase(booking: &mut Booking<'_>, iep: IepId, bought: Counter) -> Result<(), Error> {
    let taken_back = booking.purse(iep)?.is_some_and(|purse| purse.taken_back);
    if taken_back && booking.tx.take_taken_back(iep, bought)? { stated(booking, iep, bought) } else { Ok(()) }
}

/// Purchase and cancellation net to zero; the merchant is not paid. Once, whatever tells of it.
fn take_back(booking: &mut Booking<'_>, purchase: &Commit) -> Result<(), Error> {
    let value = purchase.evidence.value();
    let (iep, Some(bought)) = (value.identity.iep, value.entry.nv()) else { return Ok(()) };
    let to = match purchase.state {
        CommitState::Cancelled | CommitState::CancelledLate | CommitState::Recorded => return Ok(()),
        // What was refunded cannot be taken back: continuity has noticed the copy.
        CommitState::Refunded => return Ok(()),
        CommitState::Settled => CommitState::CancelledLate,
        _ => CommitState::Cancelled,
    };
    booking.move_shadow(iep, value.entry.order.amount.get().into())?;
    booking.tx.set_commit_state(iep, bought, to)?;
    change(booking, purchase, CommitState::Cancelled, Event::Cancelled(iep, bought))?;
    match purchase.state {
        CommitState::Settled => note(booking, purchase, Reason::CancelledLate),
        CommitState::Booked | CommitState::Withheld => note(booking, purchase, Reason::CancelledButSubmitted),
        _ => Ok(()),
    }
}

/// The exception is about the PSAM, not about the purse: it asked for payment.
fn note(booking: &Booking<'_>, purchase: &Commit, reason: Reason) -> Result<(), Error> {
    let value = purchase.evidence.value();
    let evidence = purchase.evidence.to_vec();
    let exception = Exception::of_purse(reason, value.identity.iep, value.entry.nv(), evidence);
    let sam = Some(value.entry.counterpart.sam);
    booking.tx.insert_exception(&Exception { sam, ..exception }, booking.now)
}
