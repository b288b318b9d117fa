//! Batches for the tests: well formed, without meaning.

use apdu_spec::Element;
use apdu_spec::batch::Trailer;
use apdu_spec::element::{Algorithm, Amount, BatchNumber, Kind, Mac};
use apdu_spec::record::{BatchRecord, Identity, Outcome};
use network::Batch;

/// Where kind and algorithm stand in a record, behind its head of 16 bytes and an identity.
const KIND: usize = 16 + Identity::MAX;

/// A record of a purchase whose numbers follow from `seed`.
pub(crate) fn record(seed: u8) -> BatchRecord {
    let mut bytes = [0; BatchRecord::MAX];
    bytes[11] = Outcome::Credited as u8;
    bytes[KIND..KIND + 2].copy_from_slice(&[Kind::Purchase as u8, Algorithm::AesCmac as u8]);
    let mut record = BatchRecord::from_bytes(&bytes).expect("a record");
    record.index = seed.into();
    record.value.entry.order.amount = Amount::new(seed.into()).expect("small");
    let [s3, s6, s5] = [1, 2, 3].map(|place| Mac([seed ^ place; 8]));
    (record.value.entry.s3, record.value.entry.s6, record.s5) = (s3, s6, s5);
    record
}

/// A batch of `count` records.
pub(crate) fn batch(number: u32, count: u8) -> Batch {
    let mut trailer = Trailer::from_bytes(&[0; Trailer::MIN]).expect("a trailer");
    trailer.batch = BatchNumber::new(number).expect("small");
    trailer.count = u16::from(count);
    trailer.s4 = Mac([7; 8]);
    Batch { trailer, records: (0..count).map(record).collect() }
}
