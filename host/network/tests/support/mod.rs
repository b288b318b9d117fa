//! Batches for the tests: well formed, without meaning.

use apdu_spec::Element;
use apdu_spec::batch::Trailer;
use apdu_spec::element::{BatchNumber, Mac};
use apdu_spec::record::{BatchRecord, Outcome};
use network::Batch;

/// A record whose bytes follow from `seed`.
pub(crate) fn record(seed: u8) -> BatchRecord {
    let mut bytes = [seed & 0x7F; BatchRecord::MAX];
    bytes[11] = Outcome::Credited as u8;
    bytes[29] = 0x01; // kind
    bytes[30] = 0x01; // algorithm
    bytes[51] = 0; // amounts stay below 2^31
    BatchRecord::from_bytes(&bytes).expect("a record")
}

/// A batch of `count` records.
pub(crate) fn batch(number: u32, count: u8) -> Batch {
    let mut trailer = Trailer::from_bytes(&[0; Trailer::MIN]).expect("a trailer");
    trailer.batch = BatchNumber::new(number).expect("small");
    trailer.count = u16::from(count);
    trailer.s4 = Mac([7; 8]);
    Batch { trailer, records: (0..count).map(record).collect() }
}
