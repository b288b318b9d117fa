//! Batches of a module follow each other by number, by S4, and by sums since its issue.
//!
//! They may arrive in any order. A gap is an exception until it is filled, and its amount is exact,
//! whoever keeps back what: what stands in the trailers on both sides of it, less one another.

use std::collections::BTreeMap;

use apdu_spec::batch::{Sum, Sums, Trailer};
use apdu_spec::element::{BatchNumber, Currency, ProviderId, SamId, Time};

use network::Batch;

use super::exception::{Exception, Reason};
use crate::error::Error;
use crate::store::Tx;
use crate::store::batches::StoredBatch;

/// Counts and minor units between two trailers, per issuer and currency.
type Difference = BTreeMap<(ProviderId, Currency), [i64; 4]>;

/// Checks a batch against its neighbours; `before` is what the module had handed in before it.
pub(crate) fn check(tx: &Tx<'_>, batch: &Batch, before: &Sums, now: Time) -> Result<(), Error> {
    let Batch { trailer, records } = batch;
    if records.iter().any(|record| record.list > trailer.list) {
        note(tx, Reason::BatchList, trailer.sam, trailer.batch, None, now)?;
    }
    let Trailer { sam, batch, .. } = *trailer;
    tx.close_exceptions(Reason::BatchGap, sam, batch)?;
    let lower = tx.batch_below(sam, batch)?;
    follows(tx, lower.as_ref(), (trailer, before), now)?;
    if let Some(upper) = tx.batch_above(sam, batch)? {
        let own = StoredBatch { trailer: trailer.clone(), before: before.clone(), ..upper.clone() };
        follows(tx, Some(&own), (&upper.trailer, &upper.before), now)?;
    }
    check_words(tx, trailer, now)
}

/// What lies between a batch and the next one that is stored.
fn follows(
    tx: &Tx<'_>,
    lower: Option<&StoredBatch>,
    (trailer, before): (&Trailer, &Sums),
    now: Time,
) -> Result<(), Error> {
    let (sam, batch) = (trailer.sam, trailer.batch);
    let note = |reason| note(tx, reason, sam, batch, None, now);
    let lower_number = lower.map_or(0, |lower| lower.trailer.batch.get());
    let nothing = Sums::new();
    let difference = difference(lower.map_or(&nothing, |lower| &lower.trailer.sums), before);
    if difference.values().flatten().any(|part| *part < 0) {
        note(Reason::BatchSums)?;
    }
    if lower_number + 1 < batch.get() {
        let Some(missing) = BatchNumber::new(batch.get() - 1) else { return Ok(()) };
        let gap = format!("; from batch {} on, what is missing is {}", lower_number + 1, show(&difference));
        return self::note(tx, Reason::BatchGap, sam, missing, Some(gap), now);
    }
    if !difference.is_empty() && difference.values().flatten().all(|part| *part >= 0) {
        note(Reason::BatchSums)?;
    }
    match lower {
        Some(lower) if lower.trailer.s4 != trailer.previous => note(Reason::BatchLink),
        _ => Ok(()),
    }
}

/// What a module says that it has heard from us: it cannot be more than we have said.
fn check_words(tx: &Tx<'_>, trailer: &Trailer, now: Time) -> Result<(), Error> {
    let Trailer { sam, batch, oldest, .. } = *trailer;
    let note = |reason| note(tx, reason, sam, batch, None, now);
    if tx.told_time(sam, trailer.time)? != Some(trailer.time) {
        note(Reason::BatchTime)?;
    }
    let forgotten = oldest.get().checked_sub(1).filter(|last| *last > 0).and_then(BatchNumber::new);
    let stored = forgotten.map(|last| tx.batch(sam, last)).transpose()?.flatten().is_some();
    if oldest > batch || forgotten.is_some() && !stored { note(Reason::BatchForgotten) } else { Ok(()) }
}

fn note(
    tx: &Tx<'_>,
    reason: Reason,
    sam: SamId,
    batch: BatchNumber,
    detail: Option<String>,
    now: Time,
) -> Result<(), Error> {
    let exception = Exception::of_batch(reason, sam, batch, Vec::new());
    let detail = exception.detail.clone() + &detail.unwrap_or_default();
    tx.put_exception(&Exception { detail, ..exception }, now)
}

/// What a module has handed in between two of its sums; nothing where they are equal.
fn difference(lower: &Sums, upper: &Sums) -> Difference {
    let mut difference = Difference::new();
    for (sums, sign) in [(lower, -1), (upper, 1)] {
        for sum in sums.as_slice() {
            let parts = difference.entry((sum.provider, sum.currency)).or_default();
            parts.iter_mut().zip(figures(sum)).for_each(|(part, figure)| *part += sign * figure);
        }
    }
    difference.retain(|_, parts| *parts != [0; 4]);
    difference
}

/// Credited entries, and credited, voided and claimed minor units: none is wider than six bytes.
fn figures(sum: &Sum) -> [i64; 4] {
    let minor = [sum.credited, sum.voided, sum.claimed].map(|total| total.get().cast_signed());
    [sum.count.into(), minor[0], minor[1], minor[2]]
}

fn show(difference: &Difference) -> String {
    let parts = difference.iter().map(|((provider, currency), [count, credited, voided, claimed])| {
        let [credited, voided, claimed] = [credited, voided, claimed].map(|minor| currency.show(*minor));
        format!("{count} payments of {credited}, voided {voided}, claimed {claimed} of issuer {provider}")
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "no payment".into() } else { parts.join("; ") }
}
