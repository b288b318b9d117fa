//! The purse's S6 over a load or unload has come in, from its terminal or as a receipt.

use apdu_spec::element::{Kind, Time};
use apdu_spec::record::{Outcome, ValueRecord};
use network::RejectionCode;

use super::pending::movement;
use super::refund;
use crate::clearing::booking::Booking;
use crate::clearing::deduplicate::{Once, once};
use crate::clearing::exception::Reason;
use crate::clearing::post::{Item, Taken, post};
use crate::clearing::statement;
use crate::clearing::verify::verify;
use crate::error::Error;
use crate::ledger::posting::Event;
use crate::store::Store;
use crate::store::commits::{CommitState, Evidence, Source};
use crate::store::transfers::{Transfer, TransferState};
use crate::vault::Vault;

/// Takes the proof that a terminal hands in, of a load or unload alone: a payment is for its PSAM to
/// hand in, which may have cancelled it. What is not under a good S3 and S6 is kept nowhere.
pub(crate) fn hand_in(store: &mut Store, vault: &Vault, value: ValueRecord, now: Time) -> Result<(), Error> {
    if !matches!(value.entry.kind, Kind::Load | Kind::Unload) && !vault.off().transfers_alone {
        let text = "only loads and unloads are handed in here; payments come in the batches of their PSAM";
        return Err(Error::rejected(RejectionCode::Malformed, text));
    }
    let verdict = verify(vault, &value);
    if let Err(reason) = verdict {
        return Err(rejection(&value, reason));
    }
    let (outcome, source) = (Outcome::Receipt, Source::Terminal);
    let item = Item { evidence: Evidence::Plain(value), outcome, source, sender: None, verdict };
    let taken = store.transaction("transfer: complete", |tx| {
        let mut booking = Booking::new(tx, vault, now);
        let taken = post(&mut booking, &item)?;
        booking.finish()?;
        Ok(taken)
    })?;
    taken.map_err(|reason| rejection(&value, reason))
}

/// Why a record was not taken, said to the terminal.
fn rejection(value: &ValueRecord, reason: Reason) -> Error {
    let code = match reason {
        Reason::UnknownPurse | Reason::UnknownModule | Reason::UnknownTransfer => RejectionCode::Unknown,
        Reason::UnknownKey | Reason::WrongMac | Reason::ForgedPurse => RejectionCode::WrongMac,
        _ => RejectionCode::Conflict,
    };
    Error::rejected(code, format!("purse {}: {}", value.identity.iep, reason.text()))
}

/// Books the purse's word on a load or unload.
pub(crate) fn complete(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let value = item.evidence.value();
    let known = booking.tx.transfer(value.identity.iep, value.entry.position.nt)?;
    let Some(transfer) = known.filter(|transfer| is_answer_to(transfer, value)) else {
        return booking.refuse(item, Reason::UnknownTransfer);
    };
    match transfer.state {
        TransferState::Refused => return booking.refuse(item, Reason::UnknownTransfer),
        TransferState::Reversed => {
            booking.hotlist(value.identity.iep)?;
            return booking.refuse(item, Reason::ReversedTransfer);
        }
        TransferState::Pending | TransferState::Confirmed | TransferState::Complete => {}
    }
    match once(booking, item, CommitState::Recorded, None)? {
        Once::First(_) => {
            first(booking, &transfer)?;
            statement::take_up(booking, value.identity.iep, &value.entry.position)?;
            Ok(Ok(()))
        }
        Once::Again(_) => Ok(Ok(())),
        Once::Contradicts(reason) => booking.refuse(item, reason),
    }
}

/// Whether the record carries out what was ordered here.
fn is_answer_to(transfer: &Transfer, value: &ValueRecord) -> bool {
    let (request, entry) = (&transfer.request, &value.entry);
    entry.kind == request.kind
        && entry.order == transfer.answer.order
        && entry.counterpart == request.counterpart
        && entry.position == request.initialized.statement.position
}

/// A load was booked when S2 left; an unload is booked, and the holder paid, now.
fn first(booking: &mut Booking<'_>, transfer: &Transfer) -> Result<(), Error> {
    booking.tx.set_transfer_state(transfer, TransferState::Complete)?;
    if transfer.kind() == Kind::Load {
        let was_pending = transfer.state == TransferState::Pending;
        return if was_pending { refund::clear(booking, transfer) } else { Ok(()) };
    }
    let (iep, amount) = (transfer.iep(), i64::from(transfer.amount().get()));
    let currency = transfer.request.initialized.statement.identity.currency;
    booking.move_shadow(iep, -amount)?;
    let event = Event::Unload(iep, transfer.nt());
    booking.journal.post(event, movement(transfer).reversed(), currency, amount)
}
