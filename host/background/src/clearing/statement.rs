//! What a purse states under a MAC: where it stands. Held against what is known of it.
//!
//! A statement that cannot be true is a copied, rolled-back or broken purse, or its keys are with a
//! thief: the purse is hotlisted. Merchants who could not know are paid all the same, within the
//! guarantee, and the issuer bears it.

use apdu_spec::element::{Amount, Counter, IepId};
use apdu_spec::record::{LogEntry, Position};

use super::booking::Booking;
use super::cancellation;
use super::continuity::{Between, Breach, Known};
use super::exception::{Exception, Reason};
use crate::error::Error;
use crate::store::commits::Side;
use crate::store::transfers::TransferState;

/// Holds a position against the last value commit that is known below it.
pub(crate) fn check(booking: &mut Booking<'_>, iep: IepId, position: &Position) -> Result<(), Error> {
    let before = match position.nv.next() {
        Some(next) => booking.tx.neighbour(iep, next, Side::Below)?,
        None => None,
    };
    let entry = before.map(|before| before.evidence.value().entry);
    follows(booking, iep, entry.as_ref(), position)
}

/// Holds a new value commit against its neighbours.
pub(crate) fn place(
    booking: &mut Booking<'_>,
    iep: IepId,
    entry: &LogEntry,
    nv: Counter,
) -> Result<(), Error> {
    let before = booking.before(iep, nv)?;
    follows(booking, iep, before.as_ref(), &entry.position)?;
    if let Some(after) = booking.after(iep, nv)? {
        follows(booking, iep, Some(entry), &after.position)?;
    }
    Ok(())
}

fn follows(
    booking: &mut Booking<'_>,
    iep: IepId,
    before: Option<&LogEntry>,
    there: &Position,
) -> Result<(), Error> {
    if booking.vault.off().continuity {
        return Ok(());
    }
    let Some(here) = before.map_or(Some(Known::issued()), Known::after) else { return Ok(()) };
    let Some(limit) = booking.purse(iep)?.map(|purse| purse.purchase_limit) else { return Ok(()) };
    let between = match there.nv > here.nv() {
        true => between(booking, iep, &here, there)?,
        false => Between::default(),
    };
    // No machine loads offline, so that no purse has anything from one.
    let outcome = match there.offline_total > Amount::default() {
        true => Err(Breach::Offline),
        false => here.leads_to(there, &between, limit),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(breach) => stop(booking, iep, &here, there, breach),
    }
}

/// The loads and unloads that can lie between. What is pending may have taken place.
fn between(booking: &Booking<'_>, iep: IepId, here: &Known, there: &Position) -> Result<Between, Error> {
    let mut between = Between::default();
    for transfer in booking.tx.transfers_between(iep, here.nv(), there.nv)? {
        let amount = transfer.signed();
        match transfer.state {
            TransferState::Confirmed | TransferState::Complete => {
                between.numbers += 1;
                (between.least, between.most) = (between.least + amount, between.most + amount);
            }
            TransferState::Pending => {
                (between.least, between.most) = (between.least + amount.min(0), between.most + amount.max(0));
            }
            TransferState::Reversed | TransferState::Refused => continue,
        }
        between.has_load |= amount > 0 && transfer.nv_before().next() == Some(there.nv_load);
    }
    Ok(between)
}

/// The purse is hotlisted, and its issuer told why.
fn stop(
    booking: &mut Booking<'_>,
    iep: IepId,
    here: &Known,
    there: &Position,
    breach: Breach,
) -> Result<(), Error> {
    booking.hotlist(iep)?;
    let exception = Exception::of_purse(Reason::Discontinuous, iep, there.nv.next(), Vec::new());
    let Some(currency) = booking.purse(iep)?.map(|purse| purse.currency) else { return Ok(()) };
    let why = match breach {
        Breach::Surplus(minor) => format!("it has {} more than it can have", currency.show(minor)),
        Breach::Deficit(minor) => format!("it has {} less than it can have", currency.show(minor)),
        Breach::Session => "its sessions do not rise with its numbers".into(),
        Breach::Names => "it names a load or cancellation that was none".into(),
        Breach::Offline => "it states offline loads that nobody has made".into(),
    };
    let detail = format!("{}: after NV {} and before NV {}, {why}", exception.detail, here.nv(), there.nv);
    booking.tx.insert_exception(&Exception { detail, ..exception }, booking.now)
}

/// Takes up which purchase the purse says that it has taken back last: its word counts whether or
/// not the cancellation itself has come in.
pub(crate) fn take_up(booking: &mut Booking<'_>, iep: IepId, position: &Position) -> Result<(), Error> {
    let cancelled = position.nv_cancellation;
    let Some(purse) = booking.purse(iep)? else { return Ok(()) };
    let known = purse.stated_cancellation == cancelled;
    booking.state(iep, position)?;
    match cancelled.get().checked_sub(1).and_then(Counter::new) {
        Some(bought) if !known => cancellation::stated(booking, iep, bought),
        _ => Ok(()),
    }
}
