//! What a purse's later word says about a load or unload that is pending.
//!
//! A purse commits a session before it opens the next one, or never. So a statement of
//! a later session decides a load by the NV of the last load. An unload leaves no such
//! trace; it is decided when nothing was committed since, or when its NV turns out to
//! be something else, and otherwise stays pending until its receipt comes in.

use apdu_spec::element::{IepId, Kind};

use super::refund;
use crate::clearing::booking::{Booking, Standing};
use crate::error::Error;
use crate::ledger::chart::{self, Movement};
use crate::ledger::posting::Event;
use crate::store::transfers::{Transfer, TransferState};

/// Decides the pending transfers of a purse, as far as the evidence goes.
pub(crate) fn decide(booking: &mut Booking<'_>, iep: IepId, standings: &[Standing]) -> Result<(), Error> {
    for transfer in booking.tx.pending_transfers(iep)? {
        let stated = standings.iter().find_map(|standing| fate(&transfer, *standing));
        let fate = match stated {
            None if is_replaced(booking, &transfer)? => Some(TransferState::Reversed),
            stated => stated,
        };
        match fate {
            Some(TransferState::Reversed) => reverse(booking, &transfer)?,
            Some(state) => {
                booking.tx.set_transfer_state(&transfer, state)?;
                refund::clear(booking, &transfer)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// What a purse that stood there at a later session says of a pending transfer.
fn fate(transfer: &Transfer, standing: Standing) -> Option<TransferState> {
    if standing.nt <= transfer.nt() {
        return None;
    }
    match transfer.kind() {
        Kind::Load if standing.nv_load > transfer.nv_before() => Some(TransferState::Confirmed),
        Kind::Load => Some(TransferState::Reversed),
        _ => (standing.nv <= transfer.nv_before()).then_some(TransferState::Reversed),
    }
}

/// Whether the NV that the transfer would have is known as something else.
fn is_replaced(booking: &Booking<'_>, transfer: &Transfer) -> Result<bool, Error> {
    let Some(nv) = transfer.nv_before().next() else { return Ok(false) };
    let known = booking.tx.commit(transfer.iep(), nv)?;
    Ok(known.is_some_and(|known| known.evidence.value().entry.position.nt != transfer.nt()))
}

/// Closes a transfer that moved no value; a load was booked and is taken back.
fn reverse(booking: &mut Booking<'_>, transfer: &Transfer) -> Result<(), Error> {
    booking.tx.set_transfer_state(transfer, TransferState::Reversed)?;
    if transfer.kind() != Kind::Load {
        return Ok(());
    }
    let (iep, amount) = (transfer.iep(), i64::from(transfer.amount().get()));
    let currency = transfer.request.initialized.statement.identity.currency;
    booking.move_shadow(iep, -amount)?;
    let event = Event::LoadReversed(iep, transfer.nt());
    booking.journal.post(event, movement(transfer).reversed(), currency, amount)
}

/// The movement of a load, as the chart has it.
pub(crate) const fn movement(transfer: &Transfer) -> Movement {
    let operator = transfer.request.counterpart.sam.acquirer;
    chart::load(transfer.funding(), operator, transfer.iep().provider)
}
