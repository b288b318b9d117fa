//! Attacks on clearing and on the wire to it. The attacker has a PSAM and its batches, or
//! sits between terminal and background system and changes, repeats, cuts, joins and
//! reorders what passes. He would be paid twice, or for nothing, or make a payment
//! disappear. What arrives is booked once, as the cards said it, or kept as an exception.

mod support;

use apdu_spec::Element;
use apdu_spec::element::{BatchNumber, Kind, Mac, Time};
use apdu_spec::record::{Outcome, ValueRecord};
use network::{Batch, Link, Outbox, Request, Response, Service};
use support::*;

/// Four batches of a module: a payment of 1, 10, 100 and 1,000.
fn four(world: &mut World) -> (Purse, Vec<Batch>) {
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 10_000);
    let batches = [1, 10, 100, 1_000].map(|minor| {
        world.buy(&mut purse, &mut sam, minor);
        sam.close()
    });
    (purse, batches.into())
}

/// Every order of the numbers below `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut longer = order.clone();
        longer.insert(place, n - 1);
        longer
    };
    shorter.iter().flat_map(|order| (0..n).map(move |place| insert(order, place))).collect()
}

/// Four batches in all 24 orders, each delivered twice: booked once, and no gap stays open.
#[test]
fn four_batches_in_every_order_and_twice() {
    let orders = permutations(4);
    assert_eq!(orders.len(), 24);
    for order in orders {
        let mut world = World::new();
        let (purse, batches) = four(&mut world);
        for at in order.iter().chain(&order) {
            world.submit(&batches[*at]);
        }
        assert_eq!(world.check().booked, 1_111, "{order:?}");
        assert_eq!((world.reasons(), world.line(&purse).complete), (vec![], 5), "{order:?}");
    }
}

/// The merchant or the courier keeps any of four batches back: all 15 ways. What is
/// missing is named (the batch, and the gap in the purse's NV), unless nothing has followed.
#[test]
fn missing_batches_are_named() {
    for kept in 1_usize..16 {
        let mut world = World::new();
        let (purse, batches) = four(&mut world);
        let there = |at: &usize| kept >> at & 1 == 0;
        let sent: Vec<_> = (0..4).filter(there).collect();
        sent.iter().for_each(|at| world.submit(&batches[*at]));
        let sum: i64 = sent.iter().map(|at| 10_i64.pow(u32::try_from(*at).expect("small"))).sum();
        assert_eq!(world.check().booked, sum, "kept back {kept:04b}");
        let Some(last) = sent.last() else { continue };
        let gap = (0..*last).any(|at| !there(&at));
        assert_eq!(world.reasons().contains(&"batch-gap".to_owned()), gap, "kept back {kept:04b}");
        let line = world.line(&purse);
        assert_eq!(line.complete < line.highest, gap, "kept back {kept:04b}");
    }
}

/// Refused, and nothing booked; the right batch is taken afterwards.
fn refused(forged: &[(&str, Batch)], right: &Batch, booked: i64) {
    for (name, batch) in forged {
        let mut world = World::new();
        let _ = four(&mut world);
        assert!(world.background.submit(batch, NOW).is_err(), "{name}");
        assert_eq!(world.check().booked, 0, "{name}");
        // The reason is kept, and none in the name of a module that there is not.
        let known = usize::from(batch.trailer.sam == right.trailer.sam);
        assert_eq!(world.reasons().len(), known, "{name}");
        world.submit(right);
        assert_eq!(world.check().booked, booked, "{name}");
    }
}

/// The merchant drops, doubles, swaps or moves records, or takes the trailer of another
/// batch: to hide a void, or to be paid twice for one.
#[test]
fn records_dropped_doubled_swapped_and_moved() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 10_000);
    for minor in [1, 10, 100] {
        world.buy(&mut purse, &mut sam, minor);
    }
    let right = sam.close();
    world.buy(&mut purse, &mut sam, 1_000);
    let other = sam.close();
    let with = |change: &dyn Fn(&mut Batch)| {
        let mut batch = right.clone();
        change(&mut batch);
        batch
    };
    let forged = [
        ("the last one dropped", with(&|batch| batch.records.truncate(2))),
        ("the first one dropped", with(&|batch| batch.records = batch.records[1..].to_vec())),
        ("all dropped", with(&|batch| batch.records.clear())),
        ("one doubled", with(&|batch| batch.records.push(batch.records[0]))),
        ("two swapped", with(&|batch| batch.records.swap(0, 2))),
        ("one of another batch", with(&|batch| batch.records[1] = other.records[0])),
        ("one added", with(&|batch| batch.records.push(other.records[0]))),
        ("another trailer", with(&|batch| batch.trailer = other.trailer.clone())),
        ("another number", with(&|batch| batch.trailer.batch = BatchNumber::new(7).expect("small"))),
        ("a count of its own", with(&|batch| batch.trailer.count = 2)),
        ("another S4", with(&|batch| batch.trailer.s4 = Mac([4; 8]))),
        ("another module", with(&|batch| batch.trailer.sam = sam_id(2))),
    ];
    refused(&forged, &right, 111);
}

/// Every byte of a message with a batch, its lowest and its highest bit: refused, or not
/// a message at all; never booked, and never acknowledged.
#[test]
fn every_byte_of_a_batch_on_the_wire() {
    let mut world = World::new();
    let (_, batches) = four(&mut world);
    let right = Request::SubmitBatch(batches[0].clone()).encode();
    let mut cases = 0;
    for (place, bits) in (0..right.len()).flat_map(|place| [(place, 0x01), (place, 0x80)]) {
        let mut bytes = right.clone();
        bytes[place] ^= bits;
        let answer = Response::decode(&world.background.at(NOW).serve(&bytes)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(_)), "byte {place}: {answer:?}");
        cases += 1;
    }
    assert_eq!(world.books().booked, 0);
    let answer = Response::decode(&world.background.at(NOW).serve(&right)).expect("an answer");
    assert!(matches!(answer, Response::Acknowledged(_)));
    println!("{cases} turned bits on the wire");
    assert_eq!(world.check().booked, 1);
}

/// Every byte of a request to load, its lowest and its highest bit: who pays for it and the
/// terminal's clock as well.
#[test]
fn every_byte_of_a_request_to_load() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let request = world.ask(&mut purse, Kind::Load, 500);
    let right = Request::AuthoriseTransfer(world.signed(request)).encode();
    for (place, bits) in (0..right.len()).flat_map(|place| [(place, 0x01), (place, 0x80)]) {
        let mut bytes = right.clone();
        bytes[place] ^= bits;
        let answer = Response::decode(&world.background.at(NOW).serve(&bytes)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(_)), "byte {place}: {answer:?}");
        assert_eq!(world.books().loaded, 0, "byte {place}");
    }
    assert_eq!(world.reasons(), [""; 0], "nothing is kept of what has no good MAC");
    world.background.at(NOW).serve(&right);
    assert_eq!(world.check().loaded, 500);
}

/// Every byte of the proof that a load or unload took place: an unload is paid on it.
#[test]
fn every_byte_of_a_completion() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let right = Request::CompleteTransfer(world.signed(value)).encode();
    for place in 0..right.len() {
        let mut bytes = right.clone();
        bytes[place] ^= 0x01;
        let answer = Response::decode(&world.background.at(NOW).serve(&bytes)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(_)), "byte {place}: {answer:?}");
        assert_eq!(world.books().unloaded, 0, "byte {place}");
    }
    for _ in 0..3 {
        world.background.at(NOW).serve(&right);
        assert_eq!(world.check().unloaded, 400, "replayed");
    }
}

/// Messages cut at every byte, two joined into one, one split in two, with lengths beyond
/// the end and with none: rejected without an effect.
#[test]
fn messages_cut_joined_split_and_oversized() {
    let mut world = World::new();
    let (_, batches) = four(&mut world);
    let [first, second] = [0, 1].map(|at| Request::SubmitBatch(batches[at].clone()).encode());
    let mut frames: Vec<Vec<u8>> = (0..first.len()).map(|cut| first[..cut].to_vec()).collect();
    frames.extend((1..first.len()).map(|cut| first[cut..].to_vec()));
    frames.push([first.as_slice(), &second].concat());
    frames.push([first.as_slice(), &[0]].concat());
    // The count of records stands before the only record.
    let count = first.len() - apdu_spec::record::BatchRecord::MAX - 4;
    for oversize in [2_u32, 0xFFFF, 0x7FFF_FFFF, u32::MAX] {
        let mut frame = first.clone();
        frame[count..count + 4].copy_from_slice(&oversize.to_be_bytes());
        frames.push(frame);
    }
    frames.extend([vec![], vec![0; 1 << 20], vec![0xFF; 1 << 20]]);
    for frame in &frames {
        let answer = Response::decode(&world.background.at(NOW).serve(frame)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(_)), "{} bytes: {answer:?}", frame.len());
    }
    println!("{} frames that are no messages", frames.len());
    assert_eq!((world.check().booked, world.reasons()), (0, vec![]));
}

/// A crooked merchant with a PSAM and a line reads the record of a payment out of the open batch, hands it
/// in as the proof of a load, cancels it at the PSAM, and begins again. Nothing is booked.
#[test]
fn pay_hand_in_cancel_repeat_pays_nothing() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    for _ in 0..8 {
        let value = world.pay(&mut purse, &mut sam, 5_000);
        let back = purse.cancel(&value);
        for handed_in in [value, back] {
            let error = world.background.complete(handed_in, NOW).expect_err("no load");
            assert!(matches!(error, background::Error::Rejected(_)), "{error}");
        }
        assert_eq!(world.background.settle(NOW).expect("settled").number, None);
    }
    assert_eq!((world.check().booked, world.reasons().len()), (0, 0));
    assert_eq!(world.shadow(&purse), 5_000);
}

/// The receipt of a payment comes in from a second PSAM of the merchant, while the first one keeps its
/// batch open to cancel: booked, since the purse has paid, and not paid out before the first one has
/// handed it in.
#[test]
fn a_payment_is_paid_out_once_its_own_psam_has_handed_it_in() {
    let mut world = World::new();
    let (mut purse, mut own, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 5_000);
    let (kept, cancelled) = (world.pay(&mut purse, &mut own, 300), world.pay(&mut purse, &mut own, 2_000));
    other.entries.extend([kept, cancelled].map(|value| (Outcome::Receipt, value)));
    world.collect(&mut other);
    assert_eq!((world.check().booked, world.check().unconfirmed), (0, 2_300));
    assert_eq!(world.background.settle(NOW).expect("settled").number, None, "it may still cancel");

    let back = purse.cancel(&cancelled);
    own.entries.extend([(Outcome::Credited, kept), (Outcome::Credited, cancelled)]);
    own.entries.extend([(Outcome::Voided, cancelled), (Outcome::Receipt, back)]);
    world.collect(&mut own);
    let settlement = world.background.settle(NOW).expect("settled");
    let paid: Vec<_> = settlement.merchants.iter().map(|line| (line.count, line.total.minor)).collect();
    assert_eq!(paid, [(1, 300)]);
    assert_eq!((world.check().booked, world.shadow(&purse)), (0, 4_700));
}

/// A claim is its own PSAM's word as well: with the purse's receipt it is paid out, in either order.
#[test]
fn a_claim_and_its_receipt_are_paid_out_in_either_order() {
    for claim_first in [true, false] {
        let mut world = World::new();
        let (mut purse, mut own, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let value = world.pay(&mut purse, &mut own, 300);
        own.entries.push((Outcome::Unresolved, unanswered(&value)));
        other.entries.push((Outcome::Receipt, value));
        let mut sams = [&mut own, &mut other];
        if !claim_first {
            sams.reverse();
        }
        for (place, sam) in sams.into_iter().enumerate() {
            world.collect(sam);
            let paid = world.background.settle(NOW).expect("settled").merchants.len();
            assert_eq!(paid, place, "claim first: {claim_first}");
        }
        assert_eq!(world.check().settled, 300);
    }
}

/// Refused batches leave reasons and no copies, and of one module a bounded number.
#[test]
fn refused_batches_do_not_fill_the_database() {
    let mut world = World::new();
    let (_, batches) = four(&mut world);
    let refuse = |world: &mut World, number, now| {
        let mut batch = batches[0].clone();
        batch.trailer.batch = BatchNumber::new(number).expect("small");
        batch.trailer.s4 = Mac([4; 8]);
        world.background.submit(&batch, now).expect_err("refused");
        batch.trailer.sam = sam_id(99);
        world.background.submit(&batch, now).expect_err("unknown");
    };
    (1..=300).for_each(|number| refuse(&mut world, number, NOW));
    assert_eq!(world.reasons().len(), 16, "a burst, and no more at once");
    (301..=600).for_each(|number| refuse(&mut world, number, Time(NOW.0 + number * 600)));
    assert_eq!(world.reasons().len(), 64, "and never more than these");
    world.submit(&batches[0]);
    assert_eq!(world.check().booked, 1);
}

/// A crooked module plants cancellations for purchases to come of somebody else's purse: few are kept, and
/// none of them keeps out what an honest module brings.
#[test]
fn planted_cancellations_are_few_and_keep_nobody_out() {
    let mut world = World::new();
    let (mut purse, mut own) = (world.purse(1), world.sam(1));
    let (mut thief, mut honest) = (world.sam(2), world.sam(3));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut own, 300);
    let back = purse.cancel(&value);
    for planted in 0..200_u32 {
        let mut forged = back;
        forged.entry.s6 = Mac([planted.to_be_bytes(), [7; 4]].concat().try_into().expect("eight"));
        forged.entry.position.nv = counter(2 + planted / 2);
        thief.entries.push((Outcome::Receipt, forged));
    }
    world.collect(&mut thief);
    let waiting = world.background.issuer_statements().expect("statements")[0].waiting;
    assert_eq!(waiting, 16);
    assert_eq!(world.reasons(), vec!["too-many-waiting"; 184]);
    honest.entries.push((Outcome::Receipt, back));
    world.collect(&mut honest);
    own.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
    world.collect(&mut own);
    assert_eq!((world.check().voided, world.shadow(&purse)), (0, 5_000));
    assert!(!world.line(&purse).hotlisted);
}

/// A message that is longer than any batch can be is not looked at.
#[test]
fn a_message_longer_than_any_batch_is_refused() {
    let mut world = World::new();
    let answer = Response::decode(&world.background.at(NOW).serve(&vec![1; 9_000_000])).expect("an answer");
    assert!(matches!(answer, Response::Rejected(why) if why.code == network::RejectionCode::Malformed));
}

/// A module hands in what another one made, or gives itself another's name. A batch is
/// under its module's key, and a module speaks for its own purchases.
#[test]
fn a_module_under_another_name() {
    let mut world = World::new();
    let (mut purse, mut honest, mut thief) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);
    let value = world.buy(&mut purse, &mut honest, 300);
    // Its own batch, under the name of the honest one.
    thief.entries.push((Outcome::Credited, value));
    thief.id = honest.id;
    assert!(world.background.submit(&thief.close(), NOW).is_err());
    // The honest one's payment, in a batch of its own.
    let mut thief = world.sam(3);
    thief.entries.push((Outcome::Credited, value));
    world.collect(&mut thief);
    // Payment diverted: the same record with its own name in it.
    let mut diverted = value;
    diverted.entry.counterpart.sam = thief.id;
    thief.entries.push((Outcome::Credited, diverted));
    world.collect(&mut thief);
    assert_eq!(world.reasons(), ["wrong-s4", "foreign-record", "wrong-mac"]);
    assert_eq!(world.check().booked, 0);
    world.collect(&mut honest);
    assert_eq!(world.check().booked, 300);
}

/// With the keys of a stolen PSAM the thief makes records of a purse that never paid, of
/// every amount: a good S3 over an S6 that he cannot make. Nothing is paid, all is kept.
#[test]
fn records_of_a_stolen_psam() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 10_000);
    let mut forged = 0;
    for minor in [1, 100, 9_999, 20_000] {
        let mut ghost = purse.clone();
        let value = if minor <= 10_000 {
            world.pay(&mut ghost, &mut sam, minor)
        } else {
            ghost.position.balance.0 = 30_000;
            world.pay(&mut ghost, &mut sam, minor)
        };
        for outcome in [Outcome::Credited, Outcome::Receipt] {
            sam.entries.push((outcome, purse.forge(&value)));
            forged += 1;
        }
    }
    world.collect(&mut sam);
    assert_eq!(world.reasons(), vec!["forged-purse"; forged]);
    let books = world.check();
    assert_eq!((books.booked, books.shadow), (0, 10_000));
    assert_eq!(world.background.settle(NOW).expect("settled").number, None);
    // Nobody is hotlisted on a thief's word, and the honest purchase is paid.
    assert!(!world.line(&purse).hotlisted);
    world.buy(&mut purse, &mut sam, 50);
    world.collect(&mut sam);
    assert_eq!(world.check().booked, 50);
}

/// The same value commit under one NV with another S6, from two PSAMs and in both orders:
/// the first is booked, the second kept, the purse hotlisted. No honest purse is.
#[test]
fn a_cloned_purse_is_flagged_in_both_orders() {
    for swapped in [false, true] {
        let mut world = World::new();
        let (mut purse, mut honest) = (world.purse(1), world.purse(2));
        let (mut one, mut two) = (world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        world.load(&mut honest, 1_000);
        let mut copy = purse.clone();
        world.buy(&mut purse, &mut one, 900);
        world.buy(&mut copy, &mut two, 800);
        world.buy(&mut honest, &mut two, 5);
        let mut batches = [one.close(), two.close()];
        if swapped {
            batches.reverse();
        }
        batches.iter().for_each(|batch| world.submit(batch));
        assert_eq!(world.check().booked, if swapped { 805 } else { 905 });
        assert_eq!(world.reasons(), ["clone"]);
        assert!(world.line(&purse).hotlisted && !world.line(&honest).hotlisted);
    }
}

/// A wire with somebody on it: what he does to each request and to each answer.
struct Wire<'w> {
    world: &'w mut World,
    tamper: fn(usize, Vec<u8>) -> Vec<Vec<u8>>,
    answer: fn(usize, Vec<u8>) -> Option<Vec<u8>>,
    calls: usize,
}

impl Link for Wire<'_> {
    fn call(&mut self, request: &Request) -> Result<Response, network::Error> {
        self.calls += 1;
        let mut last = None;
        for bytes in (self.tamper)(self.calls, request.encode()) {
            last = Some(self.world.background.at(NOW).serve(&bytes));
        }
        let lost = || network::Error::Unreachable("lost".into());
        let answer = (self.answer)(self.calls, last.ok_or_else(lost)?).ok_or_else(lost)?;
        Response::decode(&answer)
    }
}

/// Requests lost, repeated, changed; answers lost, changed, swapped. In the end each batch
/// is booked once and its file is gone; a file never goes before its batch is stored.
#[test]
fn an_outbox_over_a_hostile_wire() {
    type Tamper = fn(usize, Vec<u8>) -> Vec<Vec<u8>>;
    type Answer = fn(usize, Vec<u8>) -> Option<Vec<u8>>;
    let attacks: [(&str, Tamper, Answer); 6] = [
        ("requests lost", |at, bytes| if at % 2 == 1 { vec![] } else { vec![bytes] }, |_, bytes| Some(bytes)),
        ("requests repeated", |_, bytes| vec![bytes.clone(), bytes.clone(), bytes], |_, bytes| Some(bytes)),
        ("requests changed", |at, bytes| vec![turned(bytes, at)], |_, bytes| Some(bytes)),
        ("answers lost", |_, bytes| vec![bytes], |at, bytes| (at % 3 == 0).then_some(bytes)),
        ("answers changed", |_, bytes| vec![bytes], |at, bytes| Some(turned(bytes, at))),
        (
            "refusals made up",
            |_, bytes| vec![bytes],
            |at, bytes| {
                let no = network::Rejection { code: network::RejectionCode::Unknown, text: "no".into() };
                Some(if at < 3 { Response::Rejected(no).encode() } else { bytes })
            },
        ),
    ];
    for (name, tamper, answer) in attacks {
        let mut world = World::new();
        let (_, batches) = four(&mut world);
        let folder = tempfile::tempdir().expect("folder");
        let outbox = Outbox::open(folder.path()).expect("outbox");
        batches.iter().for_each(|batch| drop(outbox.put(batch).expect("put")));
        let mut calls = 0;
        for _ in 0..8 {
            let mut wire = Wire { world: &mut world, tamper, answer, calls };
            let delivery = outbox.deliver(&mut wire).expect("delivered");
            calls = wire.calls;
            let waiting = outbox.pending().expect("pending").len();
            let stored =
                [1, 10, 100, 1_000].iter().filter(|sum| world.books().booked / **sum % 10 == 1).count();
            assert!(stored + waiting >= 4, "{name}: a file went before its batch was stored");
            for word in &delivery.acknowledged {
                assert!(batches.iter().any(|b| (b.trailer.batch, b.trailer.s4) == (word.batch, word.s4)));
            }
        }
        // The attacker tires.
        let mut honest = Wire { world: &mut world, tamper: |_, b| vec![b], answer: |_, b| Some(b), calls };
        outbox.deliver(&mut honest).expect("delivered");
        assert!(outbox.pending().expect("pending").is_empty(), "{name}");
        assert_eq!(world.check().booked, 1_111, "{name}");
    }
}

/// One bit turned; on every third call none.
fn turned(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    if !at.is_multiple_of(3) {
        let place = at * 37 % bytes.len();
        bytes[place] ^= 0x10;
    }
    bytes
}

/// A load is asked for, completed and asked for again, in every order of the messages and
/// each of them twice: one load.
#[test]
fn messages_of_a_load_in_every_order() {
    for order in permutations(3) {
        let mut world = World::new();
        let mut purse = world.purse(1);
        let request = world.ask(&mut purse, Kind::Load, 500);
        let answer = world.background.authorise(&request, NOW).expect("answered");
        let value: ValueRecord = purse.execute(&request, &answer);
        let by = world.counterpart(sam_id(900));
        let nt = purse.position.nt;
        let previous = purse.previous(by, nt, Some(value.entry));
        let messages = [
            Request::AuthoriseTransfer(world.signed(request)),
            Request::CompleteTransfer(world.signed(value)),
            Request::ResolveTransfer(world.signed(network::ResolveRequest { counterpart: by, previous, nt })),
        ];
        for at in order.iter().chain(&order) {
            world.background.at(NOW).serve(&messages[*at].encode());
            let books = world.check();
            assert_eq!(books.loaded, 500, "{order:?}");
        }
        assert_eq!((world.check().loads_pending, world.shadow(&purse)), (0, 500), "{order:?}");
        assert_eq!(world.reasons(), [""; 0], "{order:?}");
    }
}
