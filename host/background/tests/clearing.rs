//! Batches: every outcome, every order, every repeat.

mod support;

use apdu_spec::Element;
use apdu_spec::element::{Algorithm, BatchNumber, Kind, Mac, SamCounter, Time};
use apdu_spec::record::{BatchRecord, Outcome};
use background::reports::PaymentState;
use background::{Background, Error};
use network::{Batch, Direct, Link, RejectionCode, Request, Response};
use support::*;

#[test]
fn a_day_balances_and_settles_once() {
    for algorithm in [Algorithm::AesCmac, Algorithm::RetailMac] {
        let mut world = World::with(algorithm);
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 10_000);
        world.buy(&mut purse, &mut sam, 250);
        world.buy(&mut purse, &mut sam, 1_000);
        world.collect(&mut sam);
        let books = world.check();
        assert_eq!((books.loaded, books.booked, books.shadow), (10_000, 1_250, 8_750));
        assert_eq!(i64::from(purse.position.balance.0), world.shadow(&purse));

        let settlement = world.background.settle(NOW).expect("settled");
        assert_eq!(settlement.merchants.len(), 1);
        assert_eq!((settlement.merchants[0].count, settlement.merchants[0].total.minor), (2, 1_250));
        assert_eq!(settlement.positions[0].total.minor, 1_250);
        assert_eq!(world.background.settle(NOW).expect("again").number, None);
        assert_eq!(world.check().settled, 1_250);
        let statement = &world.background.merchant_statements().expect("statements")[0];
        assert_eq!((statement.count, statement.settled, statement.unsettled), (2, 1_250, 0));
        assert_eq!(world.line(&purse).complete, 3);
    }
}

#[test]
fn the_same_batch_gets_the_same_acknowledgement_and_counts_once() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 300);
    let batch = sam.close();
    let mut link = Direct(world.background.at(NOW));
    let first = link.call(&Request::SubmitBatch(batch.clone())).expect("answer");
    let again = link.call(&Request::SubmitBatch(batch.clone())).expect("answer");
    assert_eq!(first, again);
    let Response::Acknowledged(ack) = first else { panic!("{first:?}") };
    let key = sam.record_key(ack.batch);
    let reference = apdu_spec::element::KeyReference { algorithm: Algorithm::AesCmac, group: 0, version: 1 };
    assert_eq!(ack.mac, key.sign(&ack.input(reference)));
    assert_eq!(world.check().booked, 300);
}

/// The disk fails while a batch is booked: without an acknowledgement the PSAM keeps it, and
/// when it comes again it is taken whole.
#[test]
fn a_batch_that_cannot_be_stored_is_not_acknowledged() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 300);
    let batch = sam.close();
    // Power fails in every statement, and at last after the batch was stored, before anybody knew.
    for statements in 0.. {
        world.background.cut_after(statements);
        let acknowledged = world.background.submit(&batch, NOW).is_ok();
        if !world.background.power_up() {
            assert!(acknowledged && statements > 10, "{statements}");
            break;
        }
        let booked = world.check().booked;
        assert!(!acknowledged && [0, 300].contains(&booked), "{statements}: {booked}");
    }
    world.background.submit(&batch, NOW).expect("stored");
    assert_eq!(world.check().booked, 300);
}

#[test]
fn record_and_receipt_are_one_payment_in_any_order() {
    for receipt_first in [false, true] {
        let mut world = World::new();
        let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let value = world.buy(&mut purse, &mut sam, 300);
        other.entries.push((Outcome::Receipt, value));
        let (record, receipt) = (sam.close(), other.close());
        let order = if receipt_first { [receipt, record] } else { [record, receipt] };
        order.iter().for_each(|batch| world.submit(batch));
        assert_eq!(world.check().booked, 300);
        assert_eq!(world.reasons(), [""; 0]);
    }
}

#[test]
fn batches_out_of_order_leave_no_gap_once_they_are_all_here() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let batches: Vec<_> = (0..3)
        .map(|_| {
            world.buy(&mut purse, &mut sam, 100);
            sam.close()
        })
        .collect();
    world.submit(&batches[2]);
    assert_eq!(world.reasons(), ["batch-gap"]);
    assert_eq!((world.line(&purse).complete, world.line(&purse).highest), (1, 4));
    world.submit(&batches[0]);
    world.submit(&batches[1]);
    assert_eq!(world.reasons(), [""; 0]);
    assert_eq!(world.line(&purse).complete, 4);
    assert_eq!(world.check().booked, 300);
}

/// Every byte of every record and trailer, changed: the batch is refused, nothing is
/// booked, the original is taken afterwards.
#[test]
fn an_altered_byte_is_never_booked() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 300);
    let batch = sam.close();
    let mut bytes = [0; BatchRecord::MAX];
    batch.records[0].to_slice(&mut bytes).expect("fits");
    for place in 0..bytes.len() {
        let mut altered = bytes;
        altered[place] ^= 0x01;
        let Ok(record) = BatchRecord::from_bytes(&altered) else { continue };
        let bad = Batch { trailer: batch.trailer.clone(), records: vec![record] };
        let error = world.background.submit(&bad, NOW).expect_err("refused");
        assert!(matches!(error, Error::Rejected(ref why) if why.code == RejectionCode::BadBatch), "{error}");
        assert_eq!(world.books().booked, 0, "byte {place}");
    }
    let mut trailer = batch.trailer.clone();
    trailer.nt = SamCounter(99);
    assert!(world.background.submit(&Batch { trailer, records: batch.records.clone() }, NOW).is_err());
    world.submit(&batch);
    assert_eq!(world.check().booked, 300);
}

/// A PSAM that signs what the purse never said: each field of the value record, changed
/// under a good S5 and S4.
#[test]
fn what_the_purse_did_not_say_is_kept_and_not_booked() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let mut honest = world.sam(1);
    let value = world.pay(&mut purse, &mut honest, 300);
    let mut bytes = [0; apdu_spec::record::ValueRecord::MAX];
    value.to_slice(&mut bytes).expect("fits");
    let mut refused = 0;
    for place in 0..bytes.len() {
        let mut altered = bytes;
        altered[place] ^= 0x01;
        let Ok(record) = apdu_spec::record::ValueRecord::from_bytes(&altered) else { continue };
        // The trailer's sums are about this issuer and currency.
        if record.identity.iep.provider != provider() || record.identity.currency != value.identity.currency {
            continue;
        }
        honest.entries.push((Outcome::Credited, record));
        world.collect(&mut honest);
        refused += 1;
        assert_eq!(world.reasons().len(), refused, "byte {place}");
        assert_eq!(world.check().booked, 0, "byte {place}");
    }
    assert!(refused > 80);
    honest.entries.push((Outcome::Credited, value));
    world.collect(&mut honest);
    assert_eq!(world.check().booked, 300);
}

#[test]
fn reasons_are_named() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);

    // The same NV with another S6: a copied card.
    let mut copy = purse.clone();
    world.buy(&mut purse, &mut sam, 100);
    world.buy(&mut copy, &mut sam, 200);
    world.collect(&mut sam);
    assert_eq!(world.reasons(), ["clone"]);
    assert!(world.line(&purse).hotlisted);
    // Its payments are guaranteed until lists have come round.
    world.buy(&mut purse, &mut other, 100);
    world.collect(&mut other);
    assert_eq!(world.reasons(), ["clone"]);

    // A changed S6 spoils S3 as well; a good S3 over a wrong S6 is a forged purse.
    let mut fresh = world.purse(2);
    world.load(&mut fresh, 1_000);
    let mut value = world.pay(&mut fresh, &mut sam, 10);
    value.entry.s6 = Mac([1; 8]);
    sam.entries.push((Outcome::Credited, value));
    world.collect(&mut sam);
    assert_eq!(world.reasons().last().map(String::as_str), Some("wrong-mac"));

    let value = world.pay(&mut fresh, &mut sam, 10);
    sam.entries.push((Outcome::Credited, fresh.forge(&value)));
    world.collect(&mut sam);
    assert_eq!(world.reasons().last().map(String::as_str), Some("forged-purse"));

    // Another module's purchase, not as a receipt.
    let value = world.pay(&mut fresh, &mut other, 10);
    sam.entries.push((Outcome::Credited, value));
    world.collect(&mut sam);
    assert_eq!(world.reasons().last().map(String::as_str), Some("foreign-record"));
    world.check();
}

#[test]
fn another_batch_of_the_same_number_is_refused_and_kept() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 100);
    world.collect(&mut sam);
    sam.batch = BatchNumber::new(1).expect("one");
    world.buy(&mut purse, &mut sam, 200);
    let batch = sam.close();
    for _ in 0..2 {
        let error = world.background.submit(&batch, NOW).expect_err("refused");
        assert!(matches!(error, Error::Rejected(why) if why.code == RejectionCode::Conflict));
    }
    assert_eq!(world.reasons(), ["batch-differs"]);
    assert_eq!(world.check().booked, 100);
}

#[test]
fn claims_wait_for_the_purses_word() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);
    let paid = world.pay(&mut purse, &mut sam, 100);
    sam.entries.push((Outcome::Unresolved, unanswered(&paid)));
    // Never debited: the purse forgets it, the next purchase takes its NV.
    let kept = purse.position;
    let dead = world.pay(&mut purse, &mut sam, 200);
    let nt = purse.position.nt;
    purse.position = apdu_spec::record::Position { nt, ..kept };
    sam.entries.push((Outcome::Unresolved, unanswered(&dead)));
    world.collect(&mut sam);
    let books = world.check();
    assert_eq!((books.claims, books.claimed, books.booked), (2, 300, 0));

    other.entries.push((Outcome::Receipt, paid));
    world.buy(&mut purse, &mut other, 50);
    world.collect(&mut other);
    let books = world.check();
    assert_eq!((books.claims, books.booked), (0, 150));
    assert_eq!(world.background.payments_of(world.merchant).expect("payments").len(), 2);

    // A load's statement closes a claim that the purse has passed.
    let kept = purse.position;
    let dead = world.pay(&mut purse, &mut sam, 200);
    purse.position = apdu_spec::record::Position { nt: purse.position.nt, ..kept };
    sam.entries.push((Outcome::Unresolved, unanswered(&dead)));
    world.collect(&mut sam);
    assert_eq!(world.check().claims, 1);
    world.load(&mut purse, 1);
    assert_eq!(world.check().claims, 0);

    // The PSAM itself withdraws one.
    let kept = purse.position;
    let dead = world.pay(&mut purse, &mut sam, 200);
    purse.position = apdu_spec::record::Position { nt: purse.position.nt, ..kept };
    sam.entries.push((Outcome::Unresolved, unanswered(&dead)));
    world.collect(&mut sam);
    sam.entries.push((Outcome::NotDebited, unanswered(&dead)));
    world.collect(&mut sam);
    assert_eq!(world.check().claims, 0);
}

/// What a copy of the purse states in a session of the same number says nothing about it.
#[test]
fn a_claim_is_not_closed_by_a_statement_of_its_own_session() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let mut copy = purse.clone();
    let paid = world.pay(&mut purse, &mut sam, 100);
    sam.entries.push((Outcome::Unresolved, unanswered(&paid)));
    world.collect(&mut sam);
    let request = world.ask(&mut copy, Kind::Load, 1);
    assert_eq!(copy.position.nt, purse.position.nt);
    world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(world.check().claims, 1);
}

/// Voided at the PSAM, purchase and cancellation in every order of arrival.
#[test]
fn a_cancelled_purchase_nets_to_zero() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut world = World::new();
        let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let bought = world.pay(&mut purse, &mut sam, 400);
        sam.entries.push((Outcome::Voided, bought));
        let back = purse.cancel(&bought);
        other.entries.push((Outcome::Receipt, back));
        let batches = [sam.close(), other.close()];
        world.submit(&batches[first]);
        world.check();
        world.submit(&batches[second]);
        let books = world.check();
        assert_eq!((books.booked, books.voided, books.shadow), (0, 0, 1_000));
        assert_eq!(world.reasons(), [""; 0]);
        assert_eq!(world.line(&purse).complete, 3);
        let payments = world.background.payments_of(world.merchant).expect("payments");
        assert_eq!(payments[0].state, PaymentState::Cancelled);
    }
}

#[test]
fn a_voided_purchase_without_cancellation_is_owed_to_the_holder() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);
    // Known from a receipt before its own PSAM says that it is void, without S6.
    let bought = world.pay(&mut purse, &mut sam, 400);
    other.entries.push((Outcome::Receipt, bought));
    world.collect(&mut other);
    assert_eq!((world.check().booked, world.check().unconfirmed), (0, 400));
    sam.entries.push((Outcome::Voided, unanswered(&bought)));
    world.collect(&mut sam);
    let books = world.check();
    assert_eq!((books.unconfirmed, books.voided, books.shadow), (0, 400, 600));
    assert_eq!((books.booked, books.refundable), (0, 0), "the purse may still take it back");
    assert_eq!(world.background.settle(NOW).expect("settled").number, None);
}

#[test]
fn a_cancellation_of_what_was_submitted_or_settled_is_an_exception() {
    for settled in [false, true] {
        let mut world = World::new();
        let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let bought = world.buy(&mut purse, &mut sam, 400);
        world.collect(&mut sam);
        if settled {
            world.background.settle(NOW).expect("settled");
        }
        let back = purse.cancel(&bought);
        other.entries.push((Outcome::Receipt, back));
        world.collect(&mut other);
        let books = world.check();
        assert_eq!(books.shadow, 1_000);
        assert_eq!(books.lost, if settled { 400 } else { 0 });
        let reason = if settled { "cancelled-late" } else { "cancelled-but-submitted" };
        assert_eq!(world.reasons(), [reason]);
    }
}

#[test]
fn overdrafts_make_negative_shadows_and_limits_hold() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.buy(&mut purse, &mut sam, OVERDRAFT);
    world.collect(&mut sam);
    assert_eq!(world.shadow(&purse), -i64::from(OVERDRAFT));
    let books = world.check();
    assert_eq!((books.loaded, books.booked), (0, i64::from(OVERDRAFT)));
    world.buy(&mut purse, &mut sam, 1);
    world.collect(&mut sam);
    assert_eq!(world.reasons(), ["out-of-bounds"]);
    assert_eq!(world.check().booked, i64::from(OVERDRAFT));
    assert_eq!(world.background.issuer_statements().expect("statements")[0].receivable, 500);
}

#[test]
fn an_expired_purse_does_not_pay() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let counterpart = world.counterpart(sam.id);
    let initialized = purse.initialize(Kind::Purchase, counterpart, amount(0));
    let late = Time(NOW.0 + 86_400 * 400);
    let order = apdu_spec::record::Order {
        amount: amount(1),
        time: late,
        nt: SamCounter(1),
        taken_over: counter(0),
        terms: apdu_spec::record::Terms::default(),
    };
    let value = purse.debit(&initialized, counterpart, order);
    sam.entries.push((Outcome::Credited, value));
    world.collect(&mut sam);
    assert_eq!(world.reasons(), ["expired"]);
    assert_eq!(world.check().booked, 0);
}

/// Only a claim or a void may come without S3 and S6: a receipt is the purse's word.
#[test]
fn a_receipt_without_the_purses_word_is_not_booked() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);
    let value = world.pay(&mut purse.clone(), &mut sam, 400);
    let request = world.ask(&mut purse, Kind::Unload, 600);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let unload = purse.clone().execute(&request, &answer);
    for forged in [value, unload] {
        other.entries.push((Outcome::Receipt, unanswered(&forged)));
    }
    world.collect(&mut other);
    let books = world.check();
    assert_eq!((books.booked, books.unloaded, books.shadow), (0, 0, 1_000));
    assert_eq!(world.reasons(), ["wrong-mac", "wrong-mac"]);
}

#[test]
fn what_its_psam_has_voided_without_the_purses_word_is_not_paid_out() {
    for claim_first in [false, true] {
        let mut world = World::new();
        let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let bought = world.pay(&mut purse, &mut sam, 400);
        sam.entries.push((Outcome::Voided, unanswered(&bought)));
        other.entries.push((Outcome::Receipt, bought));
        let (claim, receipt) = (sam.close(), other.close());
        let order = if claim_first { [claim, receipt] } else { [receipt, claim] };
        for batch in order {
            world.submit(&batch);
            world.background.settle(NOW).expect("settled");
        }
        let books = world.check();
        assert_eq!((books.voided, books.booked, books.settled), (400, 0, 0));
        assert!(world.reasons().is_empty());
    }
}

/// A module that was rolled back claims twice under one number: neither claim is lost.
#[test]
fn two_claims_of_one_number_are_an_exception() {
    let mut world = World::new();
    let (mut one, mut two, mut sam) = (world.purse(1), world.purse(2), world.sam(1));
    for purse in [&mut one, &mut two] {
        sam.nt = SamCounter(0);
        let value = world.pay(purse, &mut sam, 100);
        sam.entries.extend([(Outcome::Unresolved, unanswered(&value)); 2]);
        world.collect(&mut sam);
    }
    assert_eq!(world.books().claims, 1);
    assert_eq!(world.reasons(), ["number-reused", "number-reused"]);
}

/// Whoever does not have the module's record key cannot make it look like two modules.
#[test]
fn a_stranger_cannot_make_a_batch_differ() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 100);
    let mut batch = sam.close();
    world.submit(&batch);
    batch.trailer.s4 = Mac([1; 8]);
    assert!(world.background.submit(&batch, NOW).is_err());
    assert_eq!(world.reasons(), ["wrong-s4"]);
}

/// A module may fill a batch with bad records of one purse and NV. Comparing each with
/// every other took minutes.
#[test]
fn a_batch_of_bad_records_takes_linear_time() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    let value = world.pay(&mut purse, &mut sam, 0);
    sam.entries = vec![(Outcome::Receipt, unanswered(&value)); usize::from(u16::MAX)];
    world.collect(&mut sam);
    assert_eq!(world.reasons().len(), usize::from(u16::MAX));
}

#[test]
fn a_reopened_database_goes_on() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 100);
    let batch = sam.close();
    world.submit(&batch);
    let (path, vault) = (world.database(), world.vault());
    world.background = Background::open(&path, vault).expect("opened");
    world.submit(&batch);
    world.buy(&mut purse, &mut sam, 200);
    world.collect(&mut sam);
    assert_eq!(world.check().booked, 300);
}

#[test]
fn messages_that_are_none_are_rejected() {
    use network::Service as _;
    let mut world = World::new();
    let answer = Response::decode(&world.background.at(NOW).serve(&[1, 2, 3])).expect("an answer");
    assert!(matches!(answer, Response::Rejected(why) if why.code == RejectionCode::Malformed));
}
