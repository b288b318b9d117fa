//! The protocol as it should go: purse, PSAM and issuer in process, every MAC checked by
//! the other side, with AES and with Triple DES.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::StatusWord;
use apdu_spec::element::{Algorithm, Balance, BatchNumber, Counter, KeyReference, Kind};
use apdu_spec::purse::{
    Cancel, CreditCancellation, CreditLoad, DebitIep, InitializeIep, InitializePurchase, LogLine, ReadLog,
    ReadRecord,
};
use apdu_spec::record::{Decision, Order, Outcome, Terms, ValueRecord};
use apdu_spec::sam::{
    CompleteRequest, GetSamData, PsamAcknowledge, PsamComplete, ReadTrailer, ReceiptRequest, StoreReceipt,
    TrailerRequest, VerifyContact, VerifyPurse,
};
use support::issuer;
use support::world::{NOW, World};

fn record_key(algorithm: Algorithm) -> KeyReference {
    support::reference(algorithm, 0)
}

#[test]
fn a_load_a_purchase_and_an_unload_reach_the_balance_that_the_issuer_computes() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let mut world = World::new(algorithm);
        world.load(10_000).unwrap();
        let paid = world.pay(1_234).unwrap();
        world.transfer(Kind::Unload, 766, true).unwrap();
        assert_eq!(world.balance(), 8_000, "{algorithm:?}");

        let (trailer, records) = world.collect();
        issuer::check_batch(&trailer, &records, record_key(algorithm));
        let [record] = records[..] else { panic!("{} records", records.len()) };
        assert_eq!(record.outcome, Outcome::Credited);
        assert_eq!(record.s5, paid.credited.s5);
        assert_eq!(issuer::check_s6(&record.value, record.value.entry.position).0, 10_000 - 1_234);
        let sums = trailer.sums.as_slice();
        assert_eq!((sums.len(), sums[0].count, sums[0].credited.get()), (1, 1, 1_234));
    }
}

#[test]
fn the_log_tells_every_value_commit_newest_first() {
    let mut world = World::with_balance(1_000);
    world.pay(100).unwrap();
    let mut line = |record| world.purse.execute::<ReadRecord>(&ReadLog { record });
    let shown = |line: LogLine| (line.kind, line.nv.get(), line.amount.get(), line.balance.0);
    assert_eq!(shown(line(1).unwrap()), (Kind::Purchase, 2, 100, 900));
    assert_eq!(shown(line(2).unwrap()), (Kind::Load, 1, 1_000, 1_000));
    assert_eq!(line(3), Err(StatusWord::RECORD_NOT_FOUND));
    assert_eq!(line(0), Err(StatusWord::RECORD_NOT_FOUND));
}

#[test]
fn a_load_that_the_issuer_refuses_changes_nothing() {
    let mut world = World::with_balance(1_000);
    let before = world.information();
    assert_eq!(world.transfer(Kind::Load, 500, false).err(), Some(StatusWord::REFUSED_BY_ISSUER));
    let after = world.information();
    assert_eq!(world.balance(), 1_000);
    assert_eq!((before.nv, before.nt.next().unwrap()), (after.nv, after.nt));
}

#[test]
fn balances_stay_between_the_overdraft_and_the_maximum() {
    let mut world = World::with_balance(1_000);
    assert_eq!(world.load(14_001).err(), Some(StatusWord::MAXIMUM_EXCEEDED));
    assert_eq!(world.transfer(Kind::Unload, 1_001, true).err(), Some(StatusWord::INSUFFICIENT_BALANCE));
    assert_eq!(world.pay(1_501).err(), Some(StatusWord::INSUFFICIENT_BALANCE));
    assert_eq!(world.pay(5_001).err(), Some(StatusWord::LIMIT_EXCEEDED));
    world.pay(1_500).unwrap();
    assert_eq!(world.balance(), -500);
}

/// A purse meets terminals without end and its memory goes round: the receipts that nobody
/// has taken over, as many as there can be, are all still there.
#[test]
fn receipts_outlive_the_ring() {
    let mut world = World::with_balance(1_000);
    (1..15).for_each(|_| {
        let _ = world.pay(10).unwrap();
    });
    world.load(10).unwrap();
    let erased = world.purse.chip().blocks_erased();
    let counterpart = world.counterpart();
    let request = InitializePurchase { group: support::GROUP, version: support::VERSION, counterpart };
    while world.purse.chip().blocks_erased() < erased + 20 {
        world.purse.execute::<InitializeIep>(&request).unwrap();
    }
    assert!((1..=16).all(|nv| world.previous_by_nv(nv).unwrap().found == 1));
}

/// Whoever has a PSAM's keys, or a PSAM of another limit, orders the greatest purchase and one
/// unit more: purse and PSAM each know their own limit, to the unit.
#[test]
fn purse_and_psam_each_pay_their_limit_and_not_one_unit_more() {
    let mut world = World::with_balance(15_000);
    world.pay(support::LIMIT).unwrap();
    let (counterpart, initialized) = world.initialize();
    assert_eq!(world.order(&initialized, support::LIMIT + 1).err(), Some(StatusWord::LIMIT_EXCEEDED));
    let (amount, time) = (support::amount(support::LIMIT + 1), NOW);
    let (nt, taken_over, terms) = Default::default();
    let order = Order { amount, time, nt, taken_over, terms };
    let forged = issuer::forge_order(&initialized, counterpart, order);
    assert_eq!(world.purse.execute::<DebitIep>(&forged).err(), Some(StatusWord::LIMIT_EXCEEDED));
    assert_eq!(world.balance(), 10_000);
}

/// A load terminal states 100 and gets an order for 200 signed, which the issuer's balance
/// agrees with: the purse takes what it has stated, or nothing.
#[test]
fn a_load_is_of_the_amount_that_the_purse_has_stated() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize_transfer(Kind::Load, 100).unwrap();
    let (nt, taken_over) = Default::default();
    let terms = Terms::decision(Decision::Approved(Balance(1_200)));
    let order = Order { amount: support::amount(200), time: NOW, nt, taken_over, terms };
    let signed = issuer::sign_load(&initialized, counterpart, order);
    assert_eq!(world.purse.execute::<CreditLoad>(&signed).err(), Some(StatusWord::WRONG_DATA));
    assert_eq!(world.balance(), 1_000);
}

#[test]
fn a_contact_without_debit_proves_the_purse_and_moves_nothing() {
    let mut world = World::new(Algorithm::AesCmac);
    let (_, initialized) = world.initialize();
    let request = VerifyContact {
        key: initialized.key,
        statement: initialized.statement,
        s1: initialized.s1,
        time: NOW,
    };
    world.sam.execute::<VerifyPurse>(&request).unwrap();
    assert_eq!(world.sam.execute::<GetSamData>(&()).unwrap().open, 0);
}

#[test]
fn the_last_purchase_is_cancelled_and_its_s6_voids_it() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let mut world = World::new(algorithm);
        world.load(1_000).unwrap();
        let paid = world.pay(400).unwrap();
        let nt = paid.opened.order.nt;
        let secret = world.void(nt).unwrap().secret;
        // The answer may be lost: the same secret comes again.
        assert_eq!(world.void(nt).unwrap().secret, secret);
        // The session is over, the power gone: the secret is still good.
        world.purse.power_cycle().unwrap();
        world.purse.execute::<CreditCancellation>(&Cancel { secret }).unwrap();
        assert_eq!(world.balance(), 1_000);

        let previous = world.previous_by_nv(3).unwrap();
        let entry = previous.to_receipt().unwrap().unwrap();
        assert_eq!(entry.kind, Kind::Cancellation);
        let identity = previous.statement.identity;
        let stated = paid.initialized.statement.position;
        assert_eq!(issuer::check_s6(&ValueRecord { identity, entry }, stated).0, 1_000);

        // The cancellation repeats the session's number; who asks for that means the purchase.
        let previous = world.previous_by_nt(stated.nt).unwrap();
        assert_eq!(previous.to_receipt().unwrap().unwrap().kind, Kind::Purchase);

        let (trailer, records) = world.collect();
        let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Credited, Outcome::Voided]);
        let sum = trailer.sums.as_slice()[0];
        assert_eq!((sum.count, sum.credited.get(), sum.voided.get(), sum.claimed.get()), (1, 400, 400, 0));
        issuer::check_batch(&trailer, &records, record_key(algorithm));
    }
}

#[test]
fn a_lost_answer_is_found_again_and_credited() {
    let mut world = World::with_balance(1_000);
    let opened = world.pay_and_lose_the_answer(250);
    world.purse.power_cycle().unwrap();
    world.sam.power_cycle().unwrap();
    let nt = Counter::new(2).unwrap(); // the load was the first session
    let previous = world.previous_by_nt(nt).unwrap();
    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    let (_, records) = world.collect();
    assert_eq!((records.len(), records[0].outcome), (1, Outcome::Credited));
    assert_eq!(records[0].value.entry.order, opened.order);
}

#[test]
fn receipts_are_taken_over_and_the_next_purchase_frees_them() {
    let mut world = World::with_balance(1_000);
    world.pay(1).unwrap();
    assert_eq!(world.information().receipts, 2);
    world.take_over_up_to(2);
    world.pay(1).unwrap();
    assert_eq!(world.information().receipts, 1);
    // The load came as a receipt; the purchase is this PSAM's own and is there already.
    let (_, records) = world.collect();
    let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Credited, Outcome::Receipt, Outcome::Credited]);
    assert_eq!(records[1].value.entry.kind, Kind::Load);
    assert_eq!(issuer::check_s6(&records[1].value, records[1].value.entry.position).0, 1_000);
}

#[test]
fn a_purchase_without_an_answer_becomes_a_claim_and_is_paid_in_the_next_batch() {
    let mut world = World::with_balance(1_000);
    let opened = world.pay_and_lose_the_answer(250);
    let (first, records) = world.collect();
    assert_eq!((first.unresolved, records[0].outcome), (1, Outcome::Unresolved));
    let previous = world.previous_by_nv(2).unwrap();
    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    let (second, records) = world.collect();
    assert_eq!((second.previous, second.unresolved), (first.s4, 0));
    assert_eq!((records.len(), records[0].outcome), (1, Outcome::Receipt));
    assert_eq!(records[0].value.entry.order, opened.order);
}

#[test]
fn eight_purchases_stay_open_and_the_ninth_makes_the_oldest_a_claim() {
    let mut world = World::with_balance(1_000);
    for number in 1..=9 {
        world.tap(&mut World::another_purse(number), 10).unwrap();
    }
    world.sam.power_cycle().unwrap();
    let information = world.sam.execute::<GetSamData>(&()).unwrap();
    assert_eq!((information.open, information.entries), (8, 1));
    let (trailer, _) = world.collect();
    assert_eq!((trailer.count, trailer.unresolved), (9, 9));
}

#[test]
fn a_purchase_that_was_never_debited_is_closed_by_the_purse_s_word() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let nt = world.order(&initialized, 10).unwrap().order.nt;
    let previous = world.previous_by_nt(initialized.statement.position.nt).unwrap();
    assert_eq!(previous.found, 0);
    world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }).unwrap();
    let (trailer, records) = world.collect();
    assert_eq!((trailer.unresolved, records[0].outcome), (0, Outcome::NotDebited));
    assert_eq!(trailer.sums.as_slice(), []);
}

#[test]
fn batches_are_kept_until_they_are_acknowledged_and_then_forgotten() {
    let mut world = World::with_balance(1_000);
    let key = record_key(Algorithm::AesCmac);
    let mut trailers = Vec::new();
    for _ in 0..4 {
        world.pay(10).unwrap();
        let (trailer, records) = world.collect();
        issuer::check_batch(&trailer, &records, key);
        trailers.push(trailer);
    }
    world.pay(10).unwrap();
    assert_eq!(world.sam.execute::<apdu_spec::sam::CloseBatch>(&()).err(), Some(StatusWord::BATCHES_FULL));
    world.sam.power_cycle().unwrap();
    for trailer in &trailers {
        let request = TrailerRequest { batch: trailer.batch };
        assert_eq!(&world.sam.execute::<ReadTrailer>(&request).unwrap(), trailer);
        let acknowledgement = issuer::acknowledge(trailer.batch, trailer.s4, key);
        world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
        // It comes again, and does nothing.
        world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
        assert_eq!(world.sam.execute::<ReadTrailer>(&request), Err(StatusWord::RECORD_NOT_FOUND));
    }
    let (trailer, records) = world.collect();
    assert_eq!((trailer.batch, records.len()), (BatchNumber::new(5).unwrap(), 1));
    issuer::check_batch(&trailer, &records, key);
}

#[test]
fn a_full_psam_can_still_be_collected_and_goes_on() {
    let mut world = World::with_balance(1_000);
    let key = record_key(Algorithm::AesCmac);
    let mut purses = Vec::new();
    for round in 0..3 {
        let mut opened = 0;
        let refused = loop {
            // One more in turn than can be open: each time a purse comes, its last order is a claim.
            // After three of them the next ones come.
            let next = opened / 27 * 9 + opened % 9;
            if next == purses.len() {
                purses.push(World::another_purse(1 + next as u64));
            }
            match world.tap(&mut purses[next], 1) {
                Ok(_) => opened += 1,
                Err(status) => break status,
            }
        };
        assert_eq!(refused, StatusWord::NOT_ENOUGH_MEMORY);
        assert!(opened > 100, "{opened} openings in 32 KiB, round {round}");
        world.sam.power_cycle().unwrap();
        let (trailer, records) = world.collect();
        issuer::check_batch(&trailer, &records, key);
        assert_eq!(usize::from(trailer.unresolved), opened);
        let word = issuer::acknowledge(trailer.batch, trailer.s4, key);
        world.sam.execute::<PsamAcknowledge>(&word).unwrap();
    }
}
