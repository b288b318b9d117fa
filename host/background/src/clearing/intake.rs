//! Takes a batch in: exactly once, as a whole, acknowledged after it is on the disk.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::element::{IepId, Kind, Mac, Time};
use apdu_spec::record::{BatchRecord, Outcome};
use apdu_spec::wire::List;
use network::{Batch, RejectionCode};

use super::booking::Booking;
use super::exception::{Exception, Reason};
use super::post::{Item, is_without_word, post};
use super::rate::Rates;
use super::seal::{Seal, sums_before};
use super::sequence;
use super::verify::verify;
use crate::error::Error;
use crate::store::batches::StoredBatch;
use crate::store::participants::Role;
use crate::store::{Store, Tx};
use crate::vault::Vault;

/// Records that are verified before their verdicts are told, while others are booked. One thread
/// verifies: that takes less time than booking, which more of them would only keep from its processor.
const CHUNK: usize = 64;

/// Takes `batch` in. A batch that came before gets the same acknowledgement again; one
/// that is not whole is refused.
pub(crate) fn submit(
    (store, rates): (&mut Store, &mut Rates),
    vault: &Vault,
    batch: &Batch,
    now: Time,
) -> Result<Acknowledgement, Error> {
    let trailer = &batch.trailer;
    let (record_key, stored) = store.transaction("intake: look up", |tx| {
        let psam = tx.module(trailer.sam)?.filter(|module| module.role == Role::Psam);
        Ok((psam.and_then(|module| module.record_key), tx.batch(trailer.sam, trailer.batch)?))
    })?;
    let Some(reference) = record_key else { return Err(rejection(batch, Reason::UnknownModule)) };
    let seal = Seal::new(vault, trailer, reference)?;
    if let Some(known) = stored.as_ref().filter(|known| known.trailer.s4 == trailer.s4) {
        return Ok(known.acknowledgement.clone());
    }
    // Only what the module itself has sealed says that it made two batches of one number.
    let differs = if stored.is_some() { Err(Reason::BatchDiffers) } else { Ok(()) };
    if let Err(reason) = seal.check(batch).and(differs) {
        if vault.off().bounds || rates.admit(trailer.sam, now) {
            store.transaction("intake: reject", |tx| keep_refusal(tx, vault, trailer, reason, now))?;
        }
        return Err(rejection(batch, reason));
    }
    store.transaction("intake: book", |tx| {
        let before = sums_before(trailer, &batch.records).ok_or(Error::Damaged("sums of a batch"))?;
        sequence::check(tx, batch, &before, now)?;
        book(tx, vault, batch, now)?;
        let acknowledgement = seal.acknowledge(word(tx, trailer, now)?);
        let trailer = trailer.clone();
        tx.insert_batch(&StoredBatch {
            trailer,
            received: now,
            before,
            acknowledgement: acknowledgement.clone(),
        })?;
        Ok(acknowledgement)
    })
}

/// What the PSAM is told: that its batch is stored, the time, and what became of its claims. It is
/// kept with the batch, so that the PSAM is told it once, however often the batch comes in.
fn word(tx: &Tx<'_>, trailer: &Trailer, now: Time) -> Result<Acknowledgement, Error> {
    let mut resolved = List::new();
    let told = tx.tell_claims(trailer.sam, trailer.batch)?;
    told.into_iter().try_for_each(|claim| resolved.push(claim)).map_err(|_| Error::Overflow)?;
    let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
    Ok(Acknowledgement { sam, batch, s4, time: now, list_min: tx.list_min()?, resolved, mac: Mac::default() })
}

/// The one transaction of a batch. While one part is booked, the next ones are verified.
fn book(tx: &Tx<'_>, vault: &Vault, batch: &Batch, now: Time) -> Result<(), Error> {
    let trailer = &batch.trailer;
    let told = tx.told_time(trailer.sam, trailer.time)?.unwrap_or(Time(0));
    // In order of purse and NV: neighbours in the tables, and no gap that this batch fills
    // has to be looked up. The sort is stable, so the module's own order stays otherwise.
    let voids = voids(batch);
    let stands =
        |record: &&BatchRecord| record.outcome != Outcome::Credited || !voids.contains(&identity(record));
    let mut ordered: Vec<_> = batch.records.iter().filter(stands).collect();
    ordered.sort_by_key(|record| (record.value.identity.iep, record.value.entry.position.nv));
    let mut booking = Booking::of_batch(tx, vault, trailer, told, now);
    let parts = || ordered.chunks(CHUNK);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let verify = |record: &&BatchRecord| verdict(vault, record);
        let verifier = scope.spawn(move || {
            parts().try_for_each(|records| tell.send(records.iter().map(verify).collect::<Vec<_>>()))
        });
        for records in parts() {
            let Ok(verdicts) = told.recv() else { resume_unwind(verifier.join().expect_err("it panicked")) };
            for (record, verdict) in records.iter().zip(verdicts) {
                // A refused record is kept in the queue; the batch is stored all the same.
                let _ = post(&mut booking, &Item::of_batch(record, verdict))?;
            }
        }
        booking.finish()
    })
}

/// Payments that the module has voided in this batch, by the purse's word: the void is
/// their record, and the module does not ask for payment of them.
fn voids(batch: &Batch) -> HashSet<(IepId, [u8; 8])> {
    let voided = batch.records.iter().filter(|record| record.outcome == Outcome::Voided);
    voided.map(identity).collect()
}

fn identity(record: &BatchRecord) -> (IepId, [u8; 8]) {
    (record.value.identity.iep, record.value.entry.s6.0)
}

/// The purse's word, where there is one. A cancellation needs its purchase, which only
/// the transaction can look up.
fn verdict(vault: &Vault, record: &BatchRecord) -> Result<(), Reason> {
    let BatchRecord { outcome, value, .. } = record;
    match value.entry.kind == Kind::Cancellation || is_without_word(*outcome, value) {
        true => Ok(()),
        false => verify(vault, value),
    }
}

/// Refusals that are kept of one module: anybody can send what is refused.
const REFUSALS_MAX: i64 = 64;

/// Keeps why a batch is not taken: with the trailer where its module has sealed it, else without a byte
/// of it, and a few of one module at most. The module has the batch itself.
fn keep_refusal(
    tx: &Tx<'_>,
    vault: &Vault,
    trailer: &Trailer,
    reason: Reason,
    now: Time,
) -> Result<(), Error> {
    let Trailer { sam, batch, .. } = *trailer;
    if tx.refusals(sam)? >= REFUSALS_MAX && !vault.off().bounds {
        return Ok(());
    }
    let mut buffer = [0; Trailer::MAX];
    let sealed = reason == Reason::BatchDiffers;
    let evidence = trailer.to_slice(&mut buffer).ok().filter(|_| sealed).unwrap_or_default();
    tx.insert_exception(&Exception::of_batch(reason, sam, batch, evidence.to_vec()), now)
}

/// Says why a batch is not taken.
fn rejection(batch: &Batch, reason: Reason) -> Error {
    let Trailer { sam, batch: number, .. } = batch.trailer;
    let code = match reason {
        Reason::UnknownModule => RejectionCode::Unknown,
        Reason::BatchDiffers => RejectionCode::Conflict,
        _ => RejectionCode::BadBatch,
    };
    Error::rejected(code, format!("batch {number} of module {sam}: {}", reason.text()))
}
