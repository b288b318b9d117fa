//! When a payment is owed to its merchant: once its own PSAM has handed it in, or is lost and the
//! payment can no longer be taken back; and within what the issuer guarantees.

mod support;

use apdu_spec::element::{Kind, SamCounter, Time};
use apdu_spec::record::{Order, Outcome, Terms, ValueRecord};
use background::clearing::guarantee::Guarantee;
use background::store::participants::Connection;
use network::{Request, Response, Service};
use support::*;

const DAY: u32 = 86_400;

/// A payment at this time.
fn pay_at(world: &mut World, purse: &mut Purse, sam: &mut Sam, minor: u32, time: Time) -> ValueRecord {
    let counterpart = world.counterpart(sam.id);
    let initialized = purse.initialize(Kind::Purchase, counterpart, amount(0));
    sam.nt = SamCounter(sam.nt.get() + 1);
    let terms = Terms::default();
    let order = Order { amount: amount(minor), time, nt: sam.nt, taken_over: counter(0), terms };
    let value = purse.debit(&initialized, counterpart, order);
    sam.entries.push((Outcome::Credited, value));
    value
}

fn guarantee(world: &mut World, delay: u32, age: u32, total: u32) {
    let guarantee = Guarantee { delay, age, total: amount(total) };
    world.background.set_guarantee(provider(), Connection::Periodic, &guarantee).expect("set");
}

/// What every door gives that takes single records: an answer, and nothing stored.
#[test]
fn a_purchase_handed_in_as_a_completion_is_refused() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut sam, 5_000);
    let back = purse.cancel(&value);
    for record in [value, back] {
        let message = Request::CompleteTransfer(world.signed(record)).encode();
        let answer = Response::decode(&world.background.at(NOW).serve(&message)).expect("an answer");
        assert!(matches!(answer, Response::Rejected(_)), "{answer:?}");
    }
    let books = world.check();
    assert_eq!((books.unconfirmed, books.booked, books.shadow), (0, 0, 5_000));
    assert_eq!(world.reasons(), [""; 0]);
}

/// A PSAM that is lost before it has handed its batch in: what its purse may still take back is
/// not paid, to the number.
#[test]
fn payments_of_a_lost_psam_are_paid_once_they_are_final() {
    let mut world = World::new();
    let (mut purse, mut lost, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 5_000);
    let first = world.pay(&mut purse, &mut lost, 300);
    let last = world.pay(&mut purse, &mut lost, 70);
    other.entries.extend([(Outcome::Receipt, first), (Outcome::Receipt, last)]);
    world.collect(&mut other);
    assert_eq!(world.background.settle(NOW).expect("settled").number, None, "not lost");
    world.background.declare_lost(lost.id, "drowned", NOW).expect("declared");
    // The first one has a next one that is not its cancellation; the last one has none.
    let settlement = world.background.settle(NOW).expect("settled");
    assert_eq!(settlement.merchants[0].total.minor, 300);
    let books = world.check();
    assert_eq!((books.unconfirmed, books.settled), (70, 300));
    // Its purse states another number: nothing has taken the payment back.
    world.load(&mut purse, 10);
    assert_eq!(world.background.settle(NOW).expect("settled").merchants[0].total.minor, 70);
    assert_eq!((world.check().unconfirmed, world.check().settled), (0, 370));
    assert_eq!(world.look().findings, []);
}

/// Pay, cancel, drown the PSAM, collect on the receipt.
#[test]
fn a_cancelled_payment_of_a_lost_psam_is_never_paid() {
    for stated in [false, true] {
        let mut world = World::new();
        let (mut purse, mut lost, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 5_000);
        let value = world.pay(&mut purse, &mut lost, 5_000);
        other.entries.push((Outcome::Receipt, value));
        let back = purse.cancel(&value);
        world.background.declare_lost(lost.id, "drowned", NOW).expect("declared");
        match stated {
            // The purse states it at its next load, and the cancellation itself never comes in.
            true => drop(world.load(&mut purse, 10)),
            false => other.entries.push((Outcome::Receipt, back)),
        }
        world.collect(&mut other);
        let late = Time(NOW.0 + 3_000 * DAY);
        assert_eq!(world.background.settle(late).expect("settled").number, None);
        let books = world.check();
        let held = if stated { 5_010 } else { 5_000 };
        assert_eq!((books.unconfirmed, books.booked, books.shadow), (0, 0, held));
        assert_eq!(world.look().findings, []);
    }
}

/// Nothing more is heard of the purse: paid when it has expired and everything has come in, to
/// the day.
#[test]
fn the_last_payment_of_a_purse_at_a_lost_psam_is_paid_after_its_collection() {
    let mut world = World::new();
    let (mut purse, mut lost, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 500);
    let value = world.pay(&mut purse, &mut lost, 500);
    other.entries.push((Outcome::Receipt, value));
    world.collect(&mut other);
    world.background.declare_lost(lost.id, "stolen", NOW).expect("declared");
    let collected = Time(NOW.0 + (365 + 180) * DAY);
    assert_eq!(world.background.settle(collected).expect("settled").number, None);
    let settlement = world.background.settle(Time(collected.0 + DAY)).expect("settled");
    assert_eq!(settlement.merchants[0].total.minor, 500);
    world.check();
}

#[test]
fn only_a_psam_that_is_registered_can_be_lost() {
    let mut world = World::new();
    for sam in [sam_id(5), sam_id(900)] {
        let error = world.background.declare_lost(sam, "gone", NOW).expect_err("no PSAM");
        assert!(matches!(error, background::Error::NotRegistered(_)), "{error}");
    }
}

/// Its PSAM says that the purse was never debited, and the purse says that it was.
#[test]
fn what_its_psam_calls_never_debited_is_the_holders() {
    for receipt_first in [true, false] {
        let mut world = World::new();
        let (mut purse, mut own, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        let value = world.pay(&mut purse, &mut own, 400);
        own.entries.push((Outcome::NotDebited, unanswered(&value)));
        other.entries.push((Outcome::Receipt, value));
        let mut batches = [own.close(), other.close()];
        if receipt_first {
            batches.reverse();
        }
        batches.iter().for_each(|batch| world.submit(batch));
        let books = world.check();
        assert_eq!((books.voided, books.booked, books.unconfirmed, books.shadow), (400, 0, 0, 600));
        assert_eq!(world.background.settle(NOW).expect("settled").number, None);
    }
}

/// Pay 50, leave before the void is credited back: refunded once the purse can no longer take it
/// back, and not before.
#[test]
fn a_void_is_refundable_once_its_purse_cannot_take_it_back() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut sam, 5_000);
    sam.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
    world.collect(&mut sam);
    assert_eq!((world.check().voided, world.check().refundable), (5_000, 0));
    world.load(&mut purse, 1);
    assert_eq!((world.check().voided, world.check().refundable), (5_000, 5_000));
}

/// D, to the second: who paid before lists had to be there is paid, and afterwards the acquirer
/// bears it.
#[test]
fn payments_with_a_hotlisted_purse_are_guaranteed_for_a_while() {
    for (after, covered) in [(999, true), (1_000, false)] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        guarantee(&mut world, 1_000, 10 * DAY, 10_000);
        world.load(&mut purse, 5_000);
        world.background.hotlist(purse.identity.iep, NOW).expect("hotlisted");
        pay_at(&mut world, &mut purse, &mut sam, 300, Time(NOW.0 + after));
        world.collect(&mut sam);
        let books = world.check();
        let (booked, withheld) = if covered { (300, 0) } else { (0, 300) };
        assert_eq!((books.booked, books.withheld, books.shadow), (booked, withheld, 4_700), "{after}");
        assert_eq!(world.reasons(), if covered { vec![] } else { vec!["hotlisted"] });
        assert_eq!(world.look().findings, []);
    }
}

/// W, to the second, from the last word to the PSAM, which no terminal can put forward.
#[test]
fn a_batch_is_guaranteed_while_the_last_word_to_its_psam_is_young() {
    for (after, covered) in [(100, true), (101, false)] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        guarantee(&mut world, 1_000, 100, 10_000);
        world.load(&mut purse, 5_000);
        world.buy(&mut purse, &mut sam, 300);
        let batch = sam.close();
        world.background.submit(&batch, Time(NOW.0 + after)).expect("stored");
        let books = world.check();
        assert_eq!((books.booked, books.withheld), if covered { (300, 0) } else { (0, 300) }, "{after}");
        assert_eq!(world.reasons(), if covered { vec![] } else { vec!["late-batch"] });
    }
}

/// A PSAM whose records say a later time than it was ever told gains nothing by it.
#[test]
fn a_time_that_was_never_told_does_not_stretch_the_guarantee() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    guarantee(&mut world, 1_000, 100, 10_000);
    world.load(&mut purse, 5_000);
    world.buy(&mut purse, &mut sam, 300);
    sam.time = Time(NOW.0 + 1_000);
    let batch = sam.close();
    world.background.submit(&batch, Time(NOW.0 + 1_000)).expect("stored");
    assert_eq!((world.check().booked, world.check().withheld), (0, 300));
    let mut reasons = world.reasons();
    reasons.sort();
    assert_eq!(reasons, ["batch-time", "late-batch"]);
}

/// G, to the minor unit, for each purse, PSAM and batch.
#[test]
fn one_purse_is_guaranteed_up_to_a_sum_in_a_batch() {
    let mut world = World::new();
    let (mut purse, mut honest, mut sam) = (world.purse(1), world.purse(2), world.sam(1));
    guarantee(&mut world, 1_000, 10 * DAY, 1_000);
    world.load(&mut purse, 5_000);
    world.load(&mut honest, 5_000);
    for minor in [999, 1, 1] {
        world.buy(&mut purse, &mut sam, minor);
    }
    world.buy(&mut honest, &mut sam, 1_000);
    world.collect(&mut sam);
    assert_eq!((world.check().booked, world.check().withheld), (2_000, 1));
    assert_eq!(world.reasons(), ["above-guarantee"]);
    let statement = &world.background.merchant_statements().expect("statements")[0];
    assert_eq!((statement.unsettled, statement.withheld), (2_000, 1));
    // Another batch has a sum of its own.
    world.buy(&mut purse, &mut sam, 1_000);
    world.collect(&mut sam);
    assert_eq!((world.check().booked, world.check().withheld), (3_000, 1));
    assert_eq!(world.look().findings, []);
}

/// What a copied card can cost is stated: G of each PSAM that is not lost.
#[test]
fn what_a_copied_card_can_cost_is_reported() {
    let mut world = World::new();
    world.purse(1);
    let (lost, _, _) = (world.sam(1), world.sam(2), world.sam(3));
    guarantee(&mut world, DAY, DAY, 2_000);
    let lines = |world: &mut World| {
        let statements = world.background.issuer_statements().expect("statements");
        let lines = statements[0].guarantees.iter();
        lines.map(|line| (line.terminals, line.psams, line.exposure.minor)).collect::<Vec<_>>()
    };
    assert_eq!(lines(&mut world), [("online", 0, 0), ("periodic", 3, 6_000), ("never", 0, 0)]);
    world.background.declare_lost(lost.id, "drowned", NOW).expect("declared");
    assert_eq!(lines(&mut world)[1], ("periodic", 2, 4_000));
}

/// The sum of a batch counts what comes in as receipts of its claims, too, whatever comes first.
#[test]
fn claims_of_a_batch_count_for_its_sum() {
    for claims_first in [true, false] {
        let mut world = World::new();
        let (mut purse, mut own, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        guarantee(&mut world, 1_000, 10 * DAY, 1_000);
        world.load(&mut purse, 5_000);
        world.buy(&mut purse, &mut own, 600);
        let claimed = world.pay(&mut purse, &mut own, 600);
        own.entries.push((Outcome::Unresolved, unanswered(&claimed)));
        other.entries.push((Outcome::Receipt, claimed));
        let mut batches = [own.close(), other.close()];
        if !claims_first {
            batches.reverse();
        }
        batches.iter().for_each(|batch| world.submit(batch));
        assert_eq!((world.check().booked, world.check().withheld), (600, 600), "{claims_first}");
    }
}

/// Whoever bears a payment, its purse may take it back.
#[test]
fn a_withheld_payment_is_taken_back_like_another() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    guarantee(&mut world, 1_000, 10 * DAY, 100);
    world.load(&mut purse, 5_000);
    let value = world.buy(&mut purse, &mut sam, 300);
    world.collect(&mut sam);
    assert_eq!(world.check().withheld, 300);
    let back = purse.cancel(&value);
    other.entries.push((Outcome::Receipt, back));
    world.collect(&mut other);
    assert_eq!((world.check().withheld, world.shadow(&purse)), (0, 5_000));
    assert_eq!(world.look().findings, []);
}

#[test]
fn a_purchase_of_nothing_is_refused() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 100);
    world.buy(&mut purse, &mut sam, 0);
    world.buy(&mut purse, &mut sam, 1);
    world.collect(&mut sam);
    assert_eq!((world.check().booked, world.reasons()), (1, vec!["zero-amount".to_owned()]));
    let request = world.ask(&mut purse, Kind::Load, 0);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(answer.order.terms.to_decision(), Ok(apdu_spec::record::Decision::Refused));
}
