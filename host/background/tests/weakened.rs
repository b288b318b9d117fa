//! Each protection of the issuer that a simulation can switch off: with it off, the loss that it
//! prevents. The same moves with everything on are in `attacks` and `copied`.

mod support;

use apdu_spec::element::{BatchNumber, Mac};
use apdu_spec::protections::Protections;
use apdu_spec::record::{Outcome, ValueRecord};
use support::*;

macro_rules! without {
    ($($name:ident $switch:ident;)*) => {
        $(#[derive(Debug)] enum $name {}
        impl Protections for $name { const $switch: bool = false; })*
    };
}

without! {
    OwnBatch PAYABLE_BY_OWN_BATCH;
    TransfersAlone TRANSFERS_ALONE_COMPLETED;
    Continuity CONTINUITY_CHECKED;
    Bounds BOUNDED_WAITING;
}

/// Pay, hand in, be paid, cancel, and again: eight times 50.00 for a purse that still has its own.
fn rounds(world: &mut World, mut hand_in: impl FnMut(&mut World, ValueRecord)) -> i64 {
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    let mut paid = 0;
    for _ in 0..8 {
        let value = world.pay(&mut purse, &mut sam, 5_000);
        hand_in(world, value);
        let settlement = world.background.settle(NOW).expect("settled");
        paid += settlement.merchants.iter().map(|line| line.total.minor).sum::<i64>();
        purse.cancel(&value);
    }
    assert_eq!(purse.position.balance.0, 5_000);
    paid
}

#[test]
fn receipts_collect_what_was_cancelled() {
    let mut world = World::under::<OwnBatch>();
    let mut other = world.sam(2);
    let paid = rounds(&mut world, |world, value| {
        other.entries.push((Outcome::Receipt, value));
        world.collect(&mut other);
    });
    assert_eq!(paid, 40_000);
}

#[test]
fn completions_collect_what_was_cancelled() {
    let mut world = World::under::<TransfersAlone>();
    let paid = rounds(&mut world, |world, value| world.background.complete(value, NOW).expect("taken"));
    assert_eq!(paid, 40_000);
}

#[test]
fn copies_pay_and_nobody_is_hotlisted() {
    let mut world = World::under::<Continuity>();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    for copy in 0..4 {
        let (mut copied, mut hidden) = (purse.clone(), world.sam(10 + copy));
        for _ in 0..copy {
            world.buy(&mut copied, &mut hidden, 1);
        }
        world.buy(&mut copied, &mut sam, 4_000);
        world.collect(&mut sam);
    }
    assert!(!world.line(&purse).hotlisted);
    assert_eq!((world.shadow(&purse), world.reasons()), (5_000 - 16_000, vec![]));
}

#[test]
fn what_is_planted_waits_without_end() {
    let mut world = World::under::<Bounds>();
    let (mut purse, mut own, mut thief) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut own, 300);
    let back = purse.cancel(&value);
    for planted in 0..200_u32 {
        let mut forged = back;
        forged.entry.s6 = Mac([planted.to_be_bytes(), [7; 4]].concat().try_into().expect("eight"));
        forged.entry.position.nv = counter(2 + planted / 10);
        thief.entries.push((Outcome::Receipt, forged));
    }
    world.collect(&mut thief);
    assert_eq!(world.background.issuer_statements().expect("statements")[0].waiting, 200);
    let mut refused = thief.close();
    refused.trailer.s4 = Mac([1; 8]);
    for number in 2..102 {
        refused.trailer.batch = BatchNumber::new(number).expect("small");
        world.background.submit(&refused, NOW).expect_err("refused");
    }
    assert_eq!(world.reasons().len(), 100);
}
