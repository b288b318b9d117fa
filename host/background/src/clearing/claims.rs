//! Purchases of which only the PSAM speaks (design, Receipts and lost answers).
//!
//! A claim becomes a payment by the purse's S6, and is closed as never debited when
//! the purse has passed its session without that NV, or used the NV for something else.
//! A purchase voided without the purse's word is voided as soon as that word comes in.

use apdu_spec::element::{Counter, IepId};
use apdu_spec::record::Outcome;

use super::booking::{Booking, Standing};
use super::deduplicate;
use super::exception::{Exception, Reason};
use super::post::{Item, Taken};
use crate::error::Error;
use crate::store::claims::{Claim, ClaimState};
use crate::store::commits::{Commit, CommitState, Evidence};

/// Keeps what a PSAM says.
pub(crate) fn note(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let state = match item.outcome {
        Outcome::NotDebited => ClaimState::NotDebited,
        Outcome::Voided => ClaimState::Voided,
        Outcome::Unresolved | Outcome::Credited | Outcome::Receipt => ClaimState::Open,
    };
    let (Evidence::Batch(record), Some(nv)) = (&item.evidence, item.evidence.value().entry.nv()) else {
        return booking.refuse(item, Reason::OutOfBounds);
    };
    if !booking.tx.upsert_claim(record, nv, state)? {
        return booking.refuse(item, Reason::NumberReused);
    }
    let (iep, entry) = (record.value.identity.iep, &record.value.entry);
    booking.doubt(iep)?;
    if let Some(known) = booking.tx.commit(iep, nv)?
        && let Some(claim) = booking.tx.claim(entry.counterpart.sam, entry.order.nt)?
        && is_of(&claim, &known)
    {
        meet(booking, &claim, &known)?;
    }
    Ok(Ok(()))
}

/// A purchase has come in on the word of its purse: what had its PSAM said of it?
pub(crate) fn meet_purchase(booking: &mut Booking<'_>, known: &Commit, nv: Counter) -> Result<(), Error> {
    let entry = &known.evidence.value().entry;
    if known.state != CommitState::Unconfirmed {
        return Ok(());
    }
    let claim = booking.tx.claim(entry.counterpart.sam, entry.order.nt)?;
    match claim.filter(|claim| claim.nv == nv && is_of(claim, known)) {
        Some(claim) => meet(booking, &claim, known),
        None => Ok(()),
    }
}

/// Whether both are about one purchase.
fn is_of(claim: &Claim, known: &Commit) -> bool {
    let value = known.evidence.value();
    (claim.iep, claim.sam, claim.nt_sam)
        == (value.identity.iep, value.entry.counterpart.sam, value.entry.order.nt)
}

/// Both have spoken. What the PSAM claims is confirmed; what it has voided, or says that the purse
/// was never debited for, is the holder's.
fn meet(booking: &mut Booking<'_>, claim: &Claim, known: &Commit) -> Result<(), Error> {
    match (claim.state, known.state) {
        (ClaimState::Open | ClaimState::Paid, _) => deduplicate::confirm(booking, known, Some(claim.batch))?,
        (_, CommitState::Settled) => voided_late(booking, claim, known)?,
        _ => deduplicate::void(booking, known)?,
    }
    match claim.state {
        ClaimState::NotDebited => Ok(()),
        _ => booking.tx.set_claim_state(claim, ClaimState::Paid),
    }
}

/// The PSAM had voided what its merchant has been paid for: somebody has to look.
fn voided_late(booking: &Booking<'_>, claim: &Claim, known: &Commit) -> Result<(), Error> {
    let (sam, nv, evidence) = (Some(claim.sam), Some(claim.nv), known.evidence.to_vec());
    let exception = Exception::of_purse(Reason::VoidedLate, claim.iep, nv, evidence);
    booking.tx.insert_exception(&Exception { sam, ..exception }, booking.now)
}

/// Decides the claims of a purse, as far as the evidence goes.
pub(crate) fn decide(booking: &mut Booking<'_>, iep: IepId, standings: &[Standing]) -> Result<(), Error> {
    for claim in booking.tx.claims_in_doubt(iep)? {
        match booking.tx.commit(iep, claim.nv)? {
            Some(known) if is_of(&claim, &known) => meet(booking, &claim, &known)?,
            Some(_) => booking.tx.set_claim_state(&claim, ClaimState::NotDebited)?,
            None if has_passed(&claim, standings) => {
                booking.tx.set_claim_state(&claim, ClaimState::NotDebited)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether the purse stands at the same number in a later session, so that it can no longer carry the
/// order out.
fn has_passed(claim: &Claim, standings: &[Standing]) -> bool {
    standings.iter().any(|standing| standing.nt > claim.nt && standing.nv < claim.nv)
}
