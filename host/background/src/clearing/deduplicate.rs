//! Each value commit counts once, by (purse, NV); each purchase once, by (PSAM, NT).
//!
//! Record and receipt of one S6 are one payment, and a repeat is silent. The same key
//! with another S6 is a copied or rolled-back card: both are kept (design, Collection).

use apdu_spec::element::{BatchNumber, Counter};
use apdu_spec::record::{Outcome, ValueRecord};

use super::booking::{Booking, Standing};
use super::exception::{Exception, Reason};
use super::post::{Item, Taken, merchant_of};
use super::statement;
use crate::error::Error;
use crate::ledger::chart;
use crate::ledger::posting::Event;
use crate::store::commits::{Commit, CommitState};

/// Whether a value commit is new.
pub(crate) enum Once {
    /// It is, with this NV, and is stored now.
    First(Counter),
    /// It is known.
    Again(Commit),
    /// Something else is known under its number.
    Contradicts(Reason),
}

/// Stores a value commit, unless its number is taken.
pub(crate) fn once(
    booking: &mut Booking<'_>,
    item: &Item,
    state: CommitState,
    batch: Option<BatchNumber>,
) -> Result<Once, Error> {
    let value = item.evidence.value();
    let iep = value.identity.iep;
    let Some(nv) = value.entry.nv() else { return Ok(Once::Contradicts(Reason::OutOfBounds)) };
    if booking.tx.insert_commit(&item.evidence, state, item.source, batch)? {
        statement::place(booking, iep, &value.entry, nv)?;
        booking.advance(iep, nv, &value.entry)?;
        booking.observe(iep, Standing::from(value.entry.position))?;
        return Ok(Once::First(nv));
    }
    Ok(match booking.tx.commit(iep, nv)? {
        Some(known) if known.evidence.value().entry.s6 == value.entry.s6 => Once::Again(known),
        Some(_) => {
            booking.hotlist(iep)?;
            Once::Contradicts(Reason::Clone)
        }
        None => Once::Contradicts(Reason::NumberReused),
    })
}

/// A purchase that is known comes again. Nothing is booked twice; but its own PSAM may
/// have more to say than whoever handed it in first.
pub(crate) fn again(booking: &mut Booking<'_>, item: &Item, known: &Commit) -> Taken {
    match (known.state, item.outcome) {
        (_, Outcome::Receipt) => {}
        (CommitState::Settled, Outcome::Voided) => return booking.refuse(item, Reason::VoidedLate),
        (_, Outcome::Voided) => void(booking, known)?,
        (CommitState::Voided | CommitState::Refunded | CommitState::Cancelled, Outcome::Credited) => {
            return booking.refuse(item, Reason::CancelledButSubmitted);
        }
        _ => confirm(booking, known, item.sender.map(|(_, batch)| batch))?,
    }
    Ok(Ok(()))
}

/// The PSAM that took a payment has handed it in, in this batch; or it is lost, and the payment can no
/// longer be taken back. The merchant is owed it, within the guarantee.
pub(crate) fn confirm(
    booking: &mut Booking<'_>,
    known: &Commit,
    batch: Option<BatchNumber>,
) -> Result<(), Error> {
    let value = known.evidence.value();
    let (iep, Some(nv)) = (value.identity.iep, value.entry.nv()) else { return Ok(()) };
    if known.state != CommitState::Unconfirmed {
        return Ok(());
    }
    let verdict = booking.guaranteed(value, batch)?;
    let state = guaranteed_state(verdict);
    booking.tx.confirm_commit(iep, nv, state, batch)?;
    change(booking, known, state, Event::Confirmed(iep, nv))?;
    note_guarantee(booking, value, batch, verdict)
}

/// What a payment that its PSAM has handed in becomes.
pub(crate) const fn guaranteed_state(verdict: Result<(), Reason>) -> CommitState {
    if verdict.is_ok() { CommitState::Booked } else { CommitState::Withheld }
}

/// Counts a payment that is guaranteed, and says of another one who bears it.
pub(crate) fn note_guarantee(
    booking: &mut Booking<'_>,
    value: &ValueRecord,
    batch: Option<BatchNumber>,
    verdict: Result<(), Reason>,
) -> Result<(), Error> {
    let Err(reason) = verdict else { return booking.count(value, batch) };
    let sam = value.entry.counterpart.sam;
    let exception = Exception::of_purse(reason, value.identity.iep, value.entry.nv(), Vec::new());
    let amount = value.identity.currency.show(value.entry.order.amount.get().into());
    let detail = format!("{}: acquirer {} bears {amount}", exception.detail, sam.acquirer);
    let exception = Exception { sam: Some(sam), batch, detail, ..exception };
    booking.tx.insert_exception(&exception, booking.now)
}

/// A payment becomes a voided purchase: the merchant does not ask for it, and the holder is owed it.
pub(crate) fn void(booking: &mut Booking<'_>, known: &Commit) -> Result<(), Error> {
    let value = known.evidence.value();
    let (iep, Some(nv)) = (value.identity.iep, value.entry.nv()) else { return Ok(()) };
    match known.state {
        CommitState::Booked | CommitState::Unconfirmed | CommitState::Withheld => {
            booking.tx.set_commit_state(iep, nv, CommitState::Voided)?;
            change(booking, known, CommitState::Voided, Event::Voided(iep, nv))
        }
        _ => Ok(()),
    }
}

/// Posts that a purchase has gone from its state to another.
pub(crate) fn change(
    booking: &mut Booking<'_>,
    known: &Commit,
    to: CommitState,
    event: Event,
) -> Result<(), Error> {
    let ValueRecord { identity, entry } = known.evidence.value();
    let merchant = merchant_of(booking, entry.counterpart.sam)?;
    let merchant = merchant.ok_or(Error::Damaged("purchase without a merchant"))?;
    let movement = chart::purchase(known.state, to, identity.iep.provider, merchant);
    booking.journal.post(event, movement, identity.currency, entry.order.amount.get().into())
}
