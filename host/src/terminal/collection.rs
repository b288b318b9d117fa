//! Collection: batches out of a PSAM, over a line or on a transfer card.

use std::collections::BTreeMap;

use apdu_spec::batch::Trailer;
use apdu_spec::download::{CONTENT_MAX, Parcel, TRAILER_INDEX};
use apdu_spec::element::{BatchNumber, SamId};
use apdu_spec::record::BatchRecord;
use apdu_spec::wire::Octets;
use apdu_spec::{Element, Malformed};

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

impl PaymentTerminal {
    /// Closes the open batch, where it holds anything, and reads all batches that are not
    /// acknowledged. The PSAM keeps them until their acknowledgement.
    pub fn collect(&mut self) -> Result<Vec<CollectedBatch>, Error> {
        let before = self.sam.information()?;
        if before.entries > 0 || before.open > 0 {
            match self.sam.close_batch() {
                // Enough batches wait already; they go first.
                Err(error) if error.status() == Some(apdu_spec::StatusWord::BATCHES_FULL) => {}
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

    /// Collects onto a transfer card; the batches that went on board. What is on board
    /// already, from an earlier visit, is not put on it twice.
    pub fn collect_onto(&mut self, transfer: &mut dyn Reader) -> Result<Vec<BatchNumber>, Error> {
        let batches = self.collect()?;
        let mut card = TransferCard::select(transfer)?;
        let aboard = trailers_aboard(&mut card)?;
        let sam = self.information.sam;
        let mut numbers = Vec::new();
        for batch in batches.iter().filter(|batch| !aboard.contains(&(sam, batch.trailer.batch))) {
            for parcel in parcels(batch).map_err(|_| Error::Parcel("a record is too long".into()))? {
                card.append_parcel(&parcel)?;
            }
            numbers.push(batch.trailer.batch);
        }
        Ok(numbers)
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

/// All parcels on board.
fn aboard(card: &mut TransferCard<'_>) -> Result<Vec<Parcel>, Error> {
    let information = card.information()?;
    (information.first_parcel..information.next_parcel).map(|number| card.parcel(number)).collect()
}

fn trailers_aboard(card: &mut TransferCard<'_>) -> Result<Vec<(SamId, BatchNumber)>, Error> {
    let parcels = aboard(card)?;
    let trailers = parcels.iter().filter(|parcel| parcel.index == TRAILER_INDEX);
    Ok(trailers.map(|parcel| (parcel.sam, parcel.batch)).collect())
}

/// What a transfer card brings: whole batches, and those that were cut short.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Whole batches, in the order of their trailers.
    pub batches: Vec<CollectedBatch>,
    /// Batches of which pieces are missing: the PSAM still has them.
    pub incomplete: Vec<(SamId, BatchNumber)>,
    /// Number of the parcel after the last one that was read.
    pub next_parcel: u32,
}

/// Reads everything on board. Nothing is forgotten before a release.
pub fn unpack(transfer: &mut dyn Reader) -> Result<Delivery, Error> {
    let mut card = TransferCard::select(transfer)?;
    let mut delivery = Delivery { next_parcel: card.information()?.next_parcel, ..Delivery::default() };
    let mut records: BTreeMap<(SamId, BatchNumber), BTreeMap<u16, BatchRecord>> = BTreeMap::new();
    for parcel in aboard(&mut card)? {
        let key = (parcel.sam, parcel.batch);
        let content = parcel.content.as_slice();
        // Anybody can put a parcel on board: one that is nonsense is a piece that is missing.
        if parcel.index != TRAILER_INDEX {
            let found = records.entry(key).or_default();
            found.extend(BatchRecord::from_bytes(content).map(|record| (parcel.index, record)));
        } else if let Ok(trailer) = Trailer::from_bytes(content) {
            let found: Vec<_> = records.remove(&key).unwrap_or_default().into_values().collect();
            if found.len() == usize::from(trailer.count) {
                delivery.batches.push(CollectedBatch { trailer, records: found });
            } else {
                delivery.incomplete.push(key);
            }
        } else {
            records.entry(key).or_default();
        }
    }
    delivery.incomplete.extend(records.into_keys());
    Ok(delivery)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_trailers_fit_a_parcel() {
        const { assert!(BatchRecord::MAX <= CONTENT_MAX && Trailer::MAX <= CONTENT_MAX) };
    }
}
