//! Takes a batch in: exactly once, as a whole, acknowledged after it is on the disk.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::thread;

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::element::{BatchNumber, IepId, Kind, Time};
use apdu_spec::record::{BatchRecord, Outcome};
use network::{Batch, RejectionCode};

use super::booking::Booking;
use super::exception::{Exception, Reason};
use super::post::{Item, is_without_word, post};
use super::seal::Seal;
use super::verify::verify;
use crate::error::Error;
use crate::store::participants::Role;
use crate::store::{Store, Tx};
use crate::vault::Vault;

/// Records that one thread verifies while others are booked.
const CHUNK: usize = 1024;

/// Takes `batch` in. A batch that came before gets the same acknowledgement again; one
/// that is not whole is refused.
pub(crate) fn submit(
    store: &mut Store,
    vault: &Vault,
    batch: &Batch,
    now: Time,
) -> Result<Acknowledgement, Error> {
    let trailer = &batch.trailer;
    let (record_key, stored) = store.transaction("intake: look up", |tx| {
        let psam = tx.module(trailer.sam)?.filter(|module| module.role == Role::Psam);
        Ok((psam.and_then(|module| module.record_key), tx.batch(trailer.sam, trailer.batch)?))
    })?;
    let Some(reference) = record_key else { return reject(store, batch, Reason::UnknownModule, now) };
    let seal = Seal::new(vault, trailer, reference)?;
    if stored.as_ref().is_some_and(|known| known.s4 == trailer.s4) {
        return Ok(seal.acknowledge(trailer, now));
    }
    if let Err(reason) = seal.check(batch) {
        return reject(store, batch, reason, now);
    }
    // Only what the module itself has sealed says that it made two batches of one number.
    if stored.is_some() {
        return reject(store, batch, Reason::BatchDiffers, now);
    }
    store.transaction("intake: book", |tx| book(tx, vault, batch, now))?;
    Ok(seal.acknowledge(trailer, now))
}

/// The one transaction of a batch. While one part is booked, the next ones are verified.
fn book(tx: &Tx<'_>, vault: &Vault, batch: &Batch, now: Time) -> Result<(), Error> {
    tx.insert_batch(&batch.trailer, now)?;
    check_sequence(tx, &batch.trailer, now)?;
    // In order of purse and NV: neighbours in the tables, and no gap that this batch fills
    // has to be looked up. The sort is stable, so the module's own order stays otherwise.
    let voids = voids(batch);
    let stands =
        |record: &&BatchRecord| record.outcome != Outcome::Credited || !voids.contains(&word(record));
    let mut ordered: Vec<_> = batch.records.iter().filter(stands).collect();
    ordered.sort_by_key(|record| (record.value.identity.iep, record.value.entry.position.nv));
    let mut booking = Booking::new(tx, vault, now);
    thread::scope(|scope| {
        let verify = |records: &[&BatchRecord]| -> Vec<_> {
            records.iter().map(|record| verdict(vault, record)).collect()
        };
        let chunks = ordered.chunks(CHUNK);
        let workers: Vec<_> = chunks.map(|records| (records, scope.spawn(move || verify(records)))).collect();
        for (records, worker) in workers {
            let verdicts = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
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
    voided.map(word).collect()
}

fn word(record: &BatchRecord) -> (IepId, [u8; 8]) {
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

/// Batches of a module follow each other by number and by S4. They may arrive in any
/// order: a gap is noted until it is filled.
fn check_sequence(tx: &Tx<'_>, trailer: &Trailer, now: Time) -> Result<(), Error> {
    let Trailer { sam, batch, .. } = *trailer;
    let note = |reason, batch| tx.insert_exception(&Exception::of_batch(reason, sam, batch, Vec::new()), now);
    tx.close_exceptions(Reason::BatchGap, sam, batch)?;
    if let Some(before) = batch.get().checked_sub(1).filter(|number| *number > 0).and_then(BatchNumber::new) {
        match tx.batch(sam, before)? {
            None => note(Reason::BatchGap, before)?,
            Some(known) if known.s4 != trailer.previous => note(Reason::BatchLink, batch)?,
            Some(_) => {}
        }
    }
    let after = batch.next().map(|next| tx.batch(sam, next)).transpose()?.flatten();
    match after {
        Some(after) if after.previous != trailer.s4 => note(Reason::BatchLink, after.batch),
        _ => Ok(()),
    }
}

/// Refusals that are kept of one module: anybody can send what is refused.
const REFUSALS_MAX: i64 = 64;

/// Says why a batch is not taken, and keeps the reason: with the trailer where its module has sealed
/// it, else without a byte of it, a few of one module at most, and none in the name of nobody. The
/// module has the batch itself.
fn reject<T>(store: &mut Store, batch: &Batch, reason: Reason, now: Time) -> Result<T, Error> {
    let Trailer { sam, batch: number, .. } = batch.trailer;
    let mut buffer = [0; Trailer::MAX];
    let sealed = reason == Reason::BatchDiffers;
    let evidence = batch.trailer.to_slice(&mut buffer).ok().filter(|_| sealed).unwrap_or_default();
    let exception = Exception::of_batch(reason, sam, number, evidence.to_vec());
    if reason != Reason::UnknownModule {
        store.transaction("intake: reject", |tx| {
            let full = tx.refusals(sam)? >= REFUSALS_MAX;
            if full { Ok(()) } else { tx.insert_exception(&exception, now) }
        })?;
    }
    let code = match reason {
        Reason::UnknownModule => RejectionCode::Unknown,
        Reason::BatchDiffers => RejectionCode::Conflict,
        _ => RejectionCode::BadBatch,
    };
    Err(Error::rejected(code, format!("batch {number} of module {sam}: {}", reason.text())))
}
