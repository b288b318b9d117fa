//! Copied purses, and purses whose keys are with a thief: what they state cannot all be true. They are
//! hotlisted whatever comes first, merchants are paid, and no honest purse is accused.

mod support;

use apdu_spec::element::Balance;
use apdu_spec::record::Outcome;
use support::*;

/// Four copies of one card, each of which has made another number of payments, so that no two of
/// them have the same number.
#[test]
fn four_copies_of_one_purse_are_hotlisted() {
    for reversed in [false, true] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 5_000);
        let mut batches = Vec::new();
        for copy in 0..4 {
            let mut copied = purse.clone();
            let mut hidden = world.sam(10 + copy);
            for _ in 0..copy {
                world.buy(&mut copied, &mut hidden, 1);
            }
            world.buy(&mut copied, &mut sam, 5_000 - copy);
            batches.push(sam.close());
        }
        if reversed {
            batches.reverse();
        }
        batches.iter().for_each(|batch| world.submit(batch));
        assert!(world.line(&purse).hotlisted);
        let reasons = world.reasons();
        assert!(reasons.contains(&"discontinuous".to_owned()), "{reasons:?}");
        assert!(reasons.contains(&"below-floor".to_owned()), "{reasons:?}");
        // The merchant could not know: the issuer bears it.
        let books = world.books();
        assert_eq!((books.booked, books.withheld), (20_000 - 6, 0));
        assert!(!books.covered(), "the running check says so, too");
        assert_eq!(world.shadow(&purse), 5_000 - (20_000 - 6));
    }
}

/// What fills a gap has to fit what comes after it: a copy has made another payment under the number that
/// the purse has used for one of its own.
#[test]
fn what_fills_a_gap_fits_on_both_sides() {
    for (minor, fits) in [(100, true), (200, false)] {
        let mut world = World::new();
        let (mut purse, mut sam, mut hidden) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 5_000);
        let mut copy = purse.clone();
        world.buy(&mut purse, &mut hidden, 100);
        world.buy(&mut purse, &mut sam, 300);
        world.collect(&mut sam);
        assert_eq!(world.reasons(), [""; 0], "a gap is no contradiction");
        world.buy(&mut copy, &mut sam, minor);
        world.collect(&mut sam);
        assert_eq!(world.reasons().is_empty(), fits);
        assert_eq!(world.line(&purse).hotlisted, !fits);
    }
}

/// With the keys of one purse a thief states what he likes; what he pays above what was loaded
/// hotlists the purse with the first batch, whichever way he lies about what lies between.
#[test]
fn extracted_purse_keys_cannot_print_money() {
    for gap in [0, 1, 5] {
        let mut world = World::new();
        let (mut purse, mut sam, mut hidden) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 100);
        for _ in 0..gap {
            world.buy(&mut purse, &mut hidden, 1);
        }
        purse.position.balance = Balance(20_000);
        world.buy(&mut purse, &mut sam, 20_000);
        world.collect(&mut sam);
        assert!(world.line(&purse).hotlisted, "{gap}");
        assert_eq!(world.reasons(), ["discontinuous", "below-floor"], "{gap}");
        // From then on it is the guarantee that bounds what he gets, and nothing is loaded.
        let request = world.ask(&mut purse, apdu_spec::element::Kind::Load, 10);
        let answer = world.background.authorise(&request, NOW).expect("answered");
        assert_eq!(answer.order.terms.to_decision(), Ok(apdu_spec::record::Decision::Refused));
    }
}

/// A surplus of one minor unit is one too many, and what fits is no surplus.
#[test]
fn neighbours_fit_to_the_minor_unit() {
    for (surplus, clean) in [(0, true), (1, false), (-1, false)] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 1_000);
        world.buy(&mut purse, &mut sam, 100);
        purse.position.balance.0 += surplus;
        world.buy(&mut purse, &mut sam, 100);
        world.collect(&mut sam);
        assert_eq!(world.line(&purse).hotlisted, !clean, "{surplus}");
        assert_eq!(world.check().booked, 200, "{surplus}");
    }
}

/// A gap hides purchases of at most the limit each, and never a gain.
#[test]
fn a_gap_hides_what_purchases_can_have_taken() {
    // Two numbers are missing; the purse's limit is 20,000.
    for (taken, clean) in [(0, true), (40_000, true), (40_001, false), (-1, false)] {
        let mut world = World::new();
        let (mut purse, mut sam, mut hidden) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 45_000);
        world.buy(&mut purse, &mut hidden, 1);
        world.buy(&mut purse, &mut hidden, 1);
        purse.position.balance = Balance(45_000 - taken);
        world.buy(&mut purse, &mut sam, 100);
        world.collect(&mut sam);
        assert_eq!(world.line(&purse).hotlisted, !clean, "{taken}");
    }
}

/// The void came in, the credit did not, and the amount is spent elsewhere: an honest purse, which a
/// plain "below zero" would accuse.
#[test]
fn a_void_that_is_spent_again_accuses_nobody() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut sam, 5_000);
    sam.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
    world.collect(&mut sam);
    purse.cancel(&value);
    world.buy(&mut purse, &mut other, 5_000);
    world.collect(&mut other);
    assert_eq!(world.reasons(), [""; 0]);
    assert!(!world.line(&purse).hotlisted);
    // The purse has said that it took the first one back.
    let books = world.check();
    assert_eq!((books.voided, books.booked, books.shadow), (0, 5_000, 0));
}

/// The number of the last cancellation is that cancellation, before and after its own record, and
/// before and after its purchase: the same books.
#[test]
fn a_stated_cancellation_counts_once_in_every_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut world = World::new();
        let (mut purse, mut own) = (world.purse(1), world.sam(1));
        let (mut second, mut third) = (world.sam(2), world.sam(3));
        world.load(&mut purse, 1_000);
        let value = world.pay(&mut purse, &mut own, 400);
        let back = purse.cancel(&value);
        own.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
        second.entries.push((Outcome::Receipt, back));
        world.buy(&mut purse, &mut third, 70);
        let batches = [own.close(), second.close(), third.close()];
        for at in order {
            world.submit(&batches[at]);
            world.check();
        }
        let books = world.check();
        assert_eq!((books.voided, books.booked, books.shadow), (0, 70, 930), "{order:?}");
        assert_eq!(world.reasons(), [""; 0], "{order:?}");
        assert_eq!(world.line(&purse).complete, 4, "{order:?}");
        assert_eq!(world.look().findings, [], "{order:?}");
    }
}

/// Below the floor by one minor unit, and on it.
#[test]
fn the_floor_is_the_overdraft_and_what_is_voided() {
    for (beyond, clean) in [(0, true), (1, false)] {
        let mut world = World::new();
        let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
        world.load(&mut purse, 1_000);
        // Two copies pay all that there is, with an overdraft, under two numbers.
        let value = world.pay(&mut purse, &mut sam, 1_000);
        sam.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
        world.collect(&mut sam);
        purse.position.balance = Balance(1_000);
        world.buy(&mut purse, &mut other, 1_000 + OVERDRAFT);
        purse.position.balance = Balance(beyond);
        if beyond > 0 {
            world.buy(&mut purse, &mut other, 1);
        }
        world.collect(&mut other);
        assert_eq!(!world.reasons().contains(&"below-floor".to_owned()), clean, "{:?}", world.reasons());
    }
}

/// Offline loads do not exist: a purse that states one has made it up.
#[test]
fn offline_loads_that_nobody_has_made_are_no_explanation() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 100);
    purse.position.offline_total = amount(5_000);
    purse.position.balance = Balance(5_100);
    world.buy(&mut purse, &mut sam, 5_100);
    world.collect(&mut sam);
    assert!(world.line(&purse).hotlisted);
    assert_eq!(world.reasons(), ["discontinuous", "below-floor"]);
}

/// A load that is named has to be one that was approved.
#[test]
fn a_load_that_was_never_approved_is_no_explanation() {
    let mut world = World::new();
    let (mut purse, mut sam, mut hidden) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 100);
    world.buy(&mut purse, &mut hidden, 10);
    purse.position.nv_load = purse.position.nv;
    world.buy(&mut purse, &mut sam, 10);
    world.collect(&mut sam);
    assert_eq!(world.reasons(), ["discontinuous"]);
}

/// A rolled-back purse that shows itself at a load terminal.
#[test]
fn a_statement_at_a_load_is_held_against_what_is_known() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 400);
    world.collect(&mut sam);
    purse.position.balance = Balance(1_000);
    let request = world.ask(&mut purse, apdu_spec::element::Kind::Load, 10);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(answer.order.terms.to_decision(), Ok(apdu_spec::record::Decision::Refused));
    assert_eq!(world.reasons(), ["discontinuous"]);
    assert!(world.line(&purse).hotlisted);
}
