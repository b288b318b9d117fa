//! Purchases of which only the PSAM speaks (design, Receipts and lost answers).
//!
//! A claim becomes a payment by the purse's S6, and is closed as never debited when
//! the purse has passed its session without that NV, or used the NV for something else.
//! A purchase voided without the purse's word is voided as soon as that word comes in.

use apdu_spec::element::IepId;
use apdu_spec::record::Outcome;

use super::booking::{Booking, Standing};
use super::deduplicate;
use super::exception::{Exception, Reason};
use super::post::{Item, Taken, merchant_of};
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
    booking.doubt(record.value.identity.iep)?;
    Ok(Ok(()))
}

/// Decides the claims of a purse, as far as the evidence goes.
pub(crate) fn decide(booking: &mut Booking<'_>, iep: IepId, standings: &[Standing]) -> Result<(), Error> {
    for claim in booking.tx.claims_in_doubt(iep)? {
        if let Some(state) = fate(booking, iep, &claim, standings)? {
            booking.tx.set_claim_state(&claim, state)?;
        }
    }
    Ok(())
}

fn fate(
    booking: &mut Booking<'_>,
    iep: IepId,
    claim: &Claim,
    standings: &[Standing],
) -> Result<Option<ClaimState>, Error> {
    let Some(known) = booking.tx.commit(iep, claim.nv)? else {
        let passed = standings.iter().any(|standing| standing.nt > claim.nt && standing.nv < claim.nv);
        return Ok(passed.then_some(ClaimState::NotDebited));
    };
    let entry = &known.evidence.value().entry;
    if (entry.counterpart.sam, entry.order.nt) != (claim.sam, claim.nt_sam) {
        return Ok(Some(ClaimState::NotDebited));
    }
    if claim.state == ClaimState::Voided {
        void(booking, claim, &known)?;
    }
    Ok(Some(ClaimState::Paid))
}

/// The PSAM had voided what is a payment now; after its settlement somebody has to look.
fn void(booking: &mut Booking<'_>, claim: &Claim, known: &Commit) -> Result<(), Error> {
    match known.state {
        CommitState::Booked => {
            let merchant = merchant_of(booking, claim.sam)?.ok_or(Error::Damaged("claim of no merchant"))?;
            deduplicate::void(booking, known, merchant)
        }
        CommitState::Settled => {
            let iep = known.evidence.value().identity.iep;
            let (sam, nv, evidence) = (Some(claim.sam), Some(claim.nv), known.evidence.to_vec());
            let exception = Exception::of_purse(Reason::VoidedLate, iep, nv, evidence);
            booking.tx.insert_exception(&Exception { sam, ..exception }, booking.now)
        }
        _ => Ok(()),
    }
}
