//! Collection: batches out of a PSAM, over a line or on a transfer card.
//!
//! On a transfer card a batch is a run of parcels: its records in order, and its trailer right
//! behind them. A visit appends runs as a whole, and whoever was interrupted appends them anew,
//! so that nothing that anybody else has put on board, before or behind a run, breaks it or
//! stands for it. There is one run to a trailer, and no parcel is in two of them: what is on
//! board bounds the work, whoever has put it there.

use std::collections::BTreeSet;

use apdu_spec::batch::Trailer;
use apdu_spec::download::{CONTENT_MAX, Parcel, TRAILER_INDEX};
use apdu_spec::element::{BatchNumber, SamId};
use apdu_spec::record::BatchRecord;
use apdu_spec::wire::Octets;
use apdu_spec::{Element, Malformed, StatusWord};

use super::PaymentTerminal;
use crate::Error;
use crate::card::transfer::TransferCard;
use crate::reader::Reader;

/// A closed batch as its PSAM gave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollectedBatch {
    /// The trailer.
    pub trailer: Trailer,
    /// The records, in order.
    pub records: Vec<BatchRecord>,
}

/// What a visit put on a transfer card.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Boarded {
    /// Batches that went on board whole.
    pub batches: Vec<BatchNumber>,
    /// Batches that only the PSAM has: the card is full, whoever has filled it.
    pub left: Vec<BatchNumber>,
}

impl PaymentTerminal {
    /// Closes the open batch, where it holds anything, and reads all batches that are not
    /// acknowledged. The PSAM keeps them until their acknowledgement.
    pub fn collect(&mut self) -> Result<Vec<CollectedBatch>, Error> {
        let before = self.sam.information()?;
        if before.entries > 0 || before.open > 0 {
            match self.sam.close_batch() {
                // Enough batches wait already; they go first.
                Err(error) if error.status() == Some(StatusWord::BATCHES_FULL) => {}
                other => drop(other?),
            }
        }
        let after = self.sam.information()?;
        (after.oldest.get()..after.batch.get())
            .filter_map(BatchNumber::new)
            .map(|batch| self.read_batch(batch))
            .collect()
    }

    fn read_batch(&mut self, batch: BatchNumber) -> Result<CollectedBatch, Error> {
        let trailer = self.sam.trailer(batch)?;
        let records = (0..trailer.count).map(|index| self.sam.collect(batch, index));
        Ok(CollectedBatch { records: records.collect::<Result<_, _>>()?, trailer })
    }

    /// Collects onto a transfer card. A batch is on board already, from an earlier visit, where
    /// all of it is, byte for byte as the PSAM gives it: anybody can put parcels on board under
    /// this PSAM's name, and even copy its trailer behind other records.
    pub fn collect_onto(&mut self, transfer: &mut dyn Reader) -> Result<Boarded, Error> {
        let batches = self.collect()?;
        let mut card = TransferCard::select(transfer)?;
        let aboard = aboard(&mut card)?;
        let mut boarded = Boarded::default();
        for batch in &batches {
            let run = parcels(batch).map_err(|_| Error::Parcel("a record is too long".into()))?;
            if aboard.windows(run.len()).any(|there| there == run) {
                continue;
            }
            let fits = boarded.left.is_empty() && put(&mut card, &run)?;
            let list = if fits { &mut boarded.batches } else { &mut boarded.left };
            list.push(batch.trailer.batch);
        }
        Ok(boarded)
    }
}

/// A batch in pieces, the trailer last: a batch without its trailer was cut short.
fn parcels(batch: &CollectedBatch) -> Result<Vec<Parcel>, Malformed> {
    let Trailer { sam, batch: number, .. } = batch.trailer;
    let parcel =
        |index, content: &[u8]| Ok(Parcel { sam, batch: number, index, content: Octets::new(content)? });
    let mut buffer = [0; CONTENT_MAX];
    let mut parcels = Vec::new();
    for record in &batch.records {
        parcels.push(parcel(record.index, record.to_slice(&mut buffer)?)?);
    }
    parcels.push(parcel(TRAILER_INDEX, batch.trailer.to_slice(&mut buffer)?)?);
    Ok(parcels)
}

/// Puts a run on board; whether the card had room for all of it.
fn put(card: &mut TransferCard<'_>, run: &[Parcel]) -> Result<bool, Error> {
    for parcel in run {
        match card.append_parcel(parcel) {
            Err(error) if error.status() == Some(StatusWord::NOT_ENOUGH_MEMORY) => return Ok(false),
            other => drop(other?),
        }
    }
    Ok(true)
}

/// All parcels on board. One that the card cannot give any more is a piece that is missing.
fn aboard(card: &mut TransferCard<'_>) -> Result<Vec<Parcel>, Error> {
    let information = card.information()?;
    let numbers = information.first_parcel..information.next_parcel;
    if numbers.len() > TransferCard::RECORDS_MAX {
        return Err(Error::Parcel(format!("it states {} parcels, more than any card holds", numbers.len())));
    }
    let mut parcels = Vec::new();
    for number in numbers {
        match card.parcel(number) {
            Err(error) if error.status() == Some(StatusWord::RECORD_NOT_FOUND) => {}
            parcel => parcels.push(parcel?),
        }
    }
    Ok(parcels)
}

/// What a transfer card brings: whole batches, and pieces of others.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Whole batches, in the order of their trailers. Several may have one number, planted ones
    /// among them: the background system knows whose S4 is good.
    pub batches: Vec<CollectedBatch>,
    /// Batches of which there are pieces that make no whole: the PSAM still has them.
    pub incomplete: BTreeSet<(SamId, BatchNumber)>,
    /// Number of the parcel after the last one that was read.
    pub next_parcel: u32,
}

/// Reads everything on board. Nothing is forgotten before a release.
pub fn unpack(transfer: &mut dyn Reader) -> Result<Delivery, Error> {
    let mut card = TransferCard::select(transfer)?;
    let mut delivery = Delivery { next_parcel: card.information()?.next_parcel, ..Delivery::default() };
    let parcels = aboard(&mut card)?;
    for stretch in parcels.split_inclusive(|parcel| parcel.index == TRAILER_INDEX) {
        let batch = closed(stretch);
        let used = batch.as_ref().map_or(0, |batch| batch.records.len() + 1);
        let loose = stretch.iter().take(stretch.len() - used);
        delivery.incomplete.extend(loose.map(|parcel| (parcel.sam, parcel.batch)));
        delivery.batches.extend(batch);
    }
    Ok(delivery)
}

/// The batch that the last of these parcels, a trailer, closes: it counts the parcels right
/// before it that are its records. Anybody can put a parcel on board: one that is nonsense is a
/// piece that is missing.
fn closed(stretch: &[Parcel]) -> Option<CollectedBatch> {
    let (last, before) = stretch.split_last().filter(|(last, _)| last.index == TRAILER_INDEX)?;
    let trailer = Trailer::from_bytes(last.content.as_slice()).ok()?;
    let first = before.len().checked_sub(trailer.count.into())?;
    let run = &stretch[first..];
    let named = |parcel: &Parcel| (parcel.sam, parcel.batch) == (trailer.sam, trailer.batch);
    let in_order = (0..).zip(&before[first..]).all(|(index, parcel)| parcel.index == index);
    if !in_order || !run.iter().all(named) {
        return None;
    }
    let records = before[first..].iter().map(|parcel| BatchRecord::from_bytes(parcel.content.as_slice()));
    Some(CollectedBatch { records: records.collect::<Result<_, _>>().ok()?, trailer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::downloads::tests::Liar;

    #[test]
    fn records_and_trailers_fit_a_parcel() {
        const { assert!(BatchRecord::MAX <= CONTENT_MAX && Trailer::MAX <= CONTENT_MAX) };
    }

    #[test]
    fn a_card_that_states_more_than_any_holds_is_refused_before_it_is_read() {
        let mut card = Liar::stating(u32::MAX);
        let refused = unpack(&mut card).expect_err("refused").to_string();
        assert!(refused.contains("more than any card holds"), "{refused}");
        assert!(card.asked < 5, "{} questions", card.asked);
    }
}
