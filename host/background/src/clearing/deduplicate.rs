//! Each value commit counts once, by (purse, NV); each purchase once, by (PSAM, NT).
//!
//! Record and receipt of one S6 are one payment, and a repeat is silent. The same key
//! with another S6 is a copied or rolled-back card: both are kept (design, Collection).

use apdu_spec::element::{Counter, IepId};
use apdu_spec::record::Outcome;

use super::booking::{Booking, Standing};
use super::exception::Reason;
use super::post::{Item, Taken};
use crate::error::Error;
use crate::ledger::chart;
use crate::ledger::posting::Event;
use crate::management::participants::MerchantId;
use crate::store::commits::{Commit, CommitState, Source};

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
pub(crate) fn once(booking: &mut Booking<'_>, item: &Item, state: CommitState) -> Result<Once, Error> {
    let value = item.evidence.value();
    let iep = value.identity.iep;
    let Some(nv) = value.entry.nv() else { return Ok(Once::Contradicts(Reason::OutOfBounds)) };
    if booking.tx.insert_commit(&item.evidence, state, item.source)? {
        booking.advance(iep, nv)?;
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
pub(crate) fn again(booking: &mut Booking<'_>, item: &Item, known: &Commit, merchant: MerchantId) -> Taken {
    let value = known.evidence.value();
    let Some(nv) = value.entry.nv() else { return Ok(Ok(())) };
    match (known.state, item.outcome) {
        (CommitState::Booked, Outcome::Voided) => void(booking, known, merchant)?,
        (CommitState::Settled, Outcome::Voided) => return booking.refuse(item, Reason::VoidedLate),
        (CommitState::Voided | CommitState::Cancelled, Outcome::Credited) => {
            return booking.refuse(item, Reason::CancelledButSubmitted);
        }
        (_, Outcome::Credited) if known.source != Source::Own => {
            booking.tx.set_commit_own(value.identity.iep, nv)?;
        }
        _ => {}
    }
    Ok(Ok(()))
}

/// A booked payment becomes a voided purchase: the merchant does not ask for it.
pub(crate) fn void(booking: &mut Booking<'_>, known: &Commit, merchant: MerchantId) -> Result<(), Error> {
    let value = known.evidence.value();
    let (iep, amount): (IepId, i64) = (value.identity.iep, value.entry.order.amount.get().into());
    let Some(nv) = value.entry.nv() else { return Ok(()) };
    booking.tx.set_commit_state(iep, nv, CommitState::Voided)?;
    let movement = chart::payment_voided(iep.provider, merchant);
    booking.journal.post(Event::Voided(iep, nv), movement, value.identity.currency, amount)
}
