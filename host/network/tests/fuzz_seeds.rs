//! The fuzzer's body of this crate on stable Rust: every committed seed and every crash that was ever
//! found, and seeds with a byte turned or left out.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[allow(unreachable_pub)] // the fuzzer uses it too
#[path = "fuzz_bodies/messages.rs"]
mod messages;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::crypto::Key;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{
    AcquirerId, Algorithm, Amount, Balance, BatchNumber, Counter, Currency, Date, IepId, KeyReference, Kind,
    Mac, ProviderId, PurseNumber, Random, SamCounter, SamId, SamNumber, Service, Time,
};
use apdu_spec::purse::{Execute, Initialized};
use apdu_spec::record::{
    BatchRecord, Counterpart, Identity, LogEntry, Order, Outcome, Position, Statement, Terms, ValueRecord,
};
use apdu_spec::wire::List;
use network::{
    Acceptance, Batch, Decision, Funding, Rejection, RejectionCode, Request, Response, Signed,
    TransferRequest, batch_file,
};

/// A record whose numbers all differ.
fn record(index: u16) -> BatchRecord {
    let sam = SamId { acquirer: AcquirerId::new(5001).unwrap(), number: SamNumber::new(3).unwrap() };
    let iep = IepId { provider: ProviderId::new(9276).unwrap(), number: PurseNumber::new(77).unwrap() };
    let counter = |number| Counter::new(number).unwrap();
    let position = Position {
        balance: Balance(1_200),
        nt: counter(9),
        nv: counter(8),
        nv_load: counter(7),
        nv_cancellation: counter(6),
        offline_total: Amount::default(),
        offline_base: Amount::default(),
        random: Random([4; 8]),
        receipts: 2,
        service: Service::Open,
    };
    let order = Order {
        amount: Amount::new(250).unwrap(),
        time: Time(1_768_197_600),
        nt: SamCounter(5),
        taken_over: counter(3),
        terms: Terms::commitment(Mac([9; 8])),
    };
    let (key, s3, s6) = (KEY, Mac([3; 8]), Mac([6; 8]));
    let counterpart = Counterpart { sam, challenge: Random([1; 8]) };
    let entry = LogEntry { kind: Kind::Purchase, key, position, counterpart, order, s3, s6 };
    let identity = Identity { iep, expiry: Date(9_999), currency: Currency::EUR, maximum: Balance(20_000) };
    let (batch, value, s5) = (BatchNumber::new(9).unwrap(), ValueRecord { identity, entry }, Mac([5; 8]));
    BatchRecord { sam, batch, index, outcome: Outcome::Credited, list: 0, value, s5 }
}

const KEY: KeyReference = KeyReference { algorithm: Algorithm::AesCmac, group: 1, version: 1 };

fn batch() -> Batch {
    let records = vec![record(0), record(1)];
    let mut trailer = Trailer::from_bytes(&[0; Trailer::MIN]).unwrap();
    (trailer.sam, trailer.batch, trailer.count) = (records[0].sam, records[0].batch, 2);
    Batch { trailer, records }
}

fn requests() -> Vec<(&'static str, Request)> {
    let value = record(0).value;
    let ValueRecord { identity, entry } = value;
    let key = OnlineKey::new(Key::new([5; 16]), KEY, entry.counterpart.sam);
    let transfer = TransferRequest {
        kind: Kind::Load,
        funding: Funding::Refund,
        initialized: Initialized {
            key: KEY,
            statement: Statement { identity, position: entry.position },
            s1: Mac([1; 8]),
        },
        counterpart: entry.counterpart,
        amount: entry.order.amount,
        time: Time(5),
    };
    vec![
        ("authorise", Request::AuthoriseTransfer(Signed::by(&key, transfer))),
        ("complete", Request::CompleteTransfer(Signed::by(&key, value))),
        ("submit", Request::SubmitBatch(batch())),
    ]
}

fn responses() -> Vec<(&'static str, Response)> {
    let (order, mac) = (record(0).value.entry.order, Mac([7; 8]));
    let decision = Decision { execute: Execute { order, s2: mac }, time: Time(5) };
    let Batch { trailer, .. } = batch();
    let (sam, batch, s4, resolved) = (trailer.sam, trailer.batch, trailer.s4, List::new());
    let acknowledgement = Acknowledgement { sam, batch, s4, time: Time(5), list_min: 0, resolved, mac };
    vec![
        ("decision", Response::Decision(Signed { fields: decision, mac })),
        ("accepted", Response::Accepted(Signed { fields: Acceptance { time: Time(5) }, mac })),
        ("acknowledged", Response::Acknowledged(acknowledgement)),
        ("rejected", Response::Rejected(Rejection { code: RejectionCode::BadBatch, text: "no".into() })),
    ]
}

/// Each with the byte that says as what it is read.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let seed = |kind: u8, bytes: Vec<u8>| [&[kind][..], &bytes].concat();
    let mut seeds: Vec<_> =
        requests().iter().map(|(name, request)| (*name, seed(0, request.encode()))).collect();
    seeds.extend(responses().iter().map(|(name, response)| (*name, seed(1, response.encode()))));
    seeds.push(("batch_file", seed(2, batch_file::encode(&batch()))));
    seeds
}

#[test]
fn seeds_and_crashes_are_replayed() {
    replay::replay("messages", messages::run, &seeds());
}

#[test]
fn bytes_that_are_turned_or_left_out_do_no_harm() {
    for (_, bytes) in seeds() {
        for at in 1..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 0x40;
            messages::run(&turned);
            messages::run(&bytes[..at]);
        }
    }
}
