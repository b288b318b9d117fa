//! Figures that are the same on every machine, as budgets: better may be written down
//! here, worse needs a reason. Times are measured by the benchmark and asserted nowhere.

#![allow(clippy::cast_precision_loss)] // counts of bytes

#[path = "../benches/floor.rs"]
mod floor;
#[path = "../benches/information.rs"]
mod information;
#[allow(dead_code)] // only counted here
#[path = "../benches/personalisation.rs"]
mod personalisation;

use host::reader::meter::Traffic;
use system_tests::personalisation as making;
use system_tests::ram;
use system_tests::scheme::amount;
use system_tests::till::{Purse, Sam, Till, purchase};

/// Key set-ups and blocks of the cipher that a purchase cannot do without.
const FLOOR_PURSE: (usize, usize) = (5, 22);
const FLOOR_PSAM: (usize, usize) = (4, 31);
/// Bytes that a purchase tells a card.
const INFORMATION: [usize; 2] = [69, 89];
/// Bytes programmed a purchase: purse, PSAM; with seals and reclaiming, and without.
const PROGRAMMED: [(f64, f64); 2] = [(108.2, 98.3), (129.9, 129.4)];
/// What they may be over the bytes of new information: the goal.
const OVERHEAD: f64 = 1.6;
/// APDUs and bytes on the wire: purse, PSAM.
const WIRE: [(usize, usize); 2] = [(3, 154), (3, 165)];
/// Key set-ups and blocks that a personalisation cannot do without, at both ends.
const FLOOR_PERSONALISATION: (usize, usize) = (28, 200);
/// What passes on the wire to a purse that is personalised and gets its issuer's keys.
const PERSONALISATION: Traffic = Traffic { apdus: 17, bytes: 796 };
/// State of a secure channel on a card.
const CHANNEL: usize = 512;
/// Static RAM of a card.
const RAM: usize = 8_192;

#[test]
fn the_floor_is_what_the_declared_inputs_need() {
    assert_eq!(floor::totals(floor::PURSE), FLOOR_PURSE);
    assert_eq!(floor::totals(floor::PSAM), FLOOR_PSAM);
    assert_eq!([information::PURSE, information::PSAM].map(information::bytes), INFORMATION);
}

#[test]
fn a_purchase_takes_no_more_than_these_bytes_on_the_wire() {
    let (mut purse, mut sam) = (Purse::new(1), Sam::new(1));
    purse.load(1_000);
    for reader in [&mut purse.reader, &mut sam.reader] {
        (reader.apdus, reader.bytes) = (0, 0);
    }
    purchase(&mut purse.reader, &mut sam, amount(100));
    let passed = [&purse.reader, &sam.reader].map(|reader| (reader.apdus, reader.bytes));
    assert_eq!(passed, WIRE);
}

#[test]
fn a_purchase_programs_no_more_than_these_bytes() {
    let wears = Till::new(9, 2).wear(1_000).into_iter().zip(PROGRAMMED).zip(INFORMATION);
    for ((wear, (total, awaited)), information) in wears {
        assert!(wear.total <= total && wear.awaited <= awaited, "{wear:?}");
        assert!(wear.total <= OVERHEAD * information as f64, "{wear:?} for {information} bytes");
    }
}

#[test]
fn a_personalisation_takes_no_more_than_these_bytes_on_the_wire() {
    assert_eq!(personalisation::totals(), FLOOR_PERSONALISATION);
    let mut line = making::blank(1);
    making::make(&mut line, 1, &making::blocks(1));
    assert_eq!(line.traffic(), PERSONALISATION);
}

const _: () = assert!(ram::CHANNEL <= CHANNEL, "the state of a secure channel is bounded");
const _: () = assert!(ram::CARD < RAM, "a card does not fit its RAM");
