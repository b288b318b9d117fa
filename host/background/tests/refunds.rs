//! Refunds of voided purchases: each once, by a load, and never beside the purse's own cancellation.

mod support;

use apdu_spec::element::Kind;
use apdu_spec::purse::Execute;
use apdu_spec::record::{Outcome, ValueRecord};
use background::Error;
use network::{Funding, RejectionCode, TransferRequest};
use support::*;

/// Pay 50.00, and leave before the void is credited back.
fn voided(world: &mut World) -> (Purse, ValueRecord) {
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    let value = world.pay(&mut purse, &mut sam, 5_000);
    sam.entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
    world.collect(&mut sam);
    (purse, value)
}

/// Asks for a refund, as a load terminal does.
fn ask(world: &mut World, purse: &mut Purse, minor: u32) -> Result<(TransferRequest, Execute), Error> {
    let request = TransferRequest { funding: Funding::Refund, ..world.ask(purse, Kind::Load, minor) };
    world.background.authorise(&request, NOW).map(|answer| (request, answer))
}

fn refund(world: &mut World, purse: &mut Purse, minor: u32) -> ValueRecord {
    let (request, answer) = ask(world, purse, minor).expect("approved");
    purse.execute(&request, &answer)
}

fn not_owed(world: &mut World, purse: &mut Purse, minor: u32) {
    let Err(Error::Rejected(rejection)) = ask(world, purse, minor) else { panic!("{minor} refunded") };
    assert_eq!(rejection.code, RejectionCode::NotPermitted, "{}", rejection.text);
}

/// Voided and refunded minor units, and the shadow balance.
fn terms(world: &mut World, purse: &Purse) -> (i64, i64, i64) {
    let books = world.check();
    assert_eq!(world.look().findings, []);
    (books.voided, books.refunded, world.shadow(purse))
}

/// The load takes the number that the cancellation would have: from then on the purse, or a copy of
/// it from before, that has itself credited by its PSAM is none that the issuer knows.
#[test]
fn a_void_is_refunded_once_and_the_cancellation_pays_nothing_beside_it() {
    let mut world = World::new();
    let (mut purse, value) = voided(&mut world);
    let mut copy = purse.clone();
    not_owed(&mut world, &mut purse, 4_999);
    let load = refund(&mut world, &mut purse, 5_000);
    assert_eq!(terms(&mut world, &purse), (5_000, 0, 5_000), "not before it is confirmed");
    world.background.complete(load, NOW).expect("complete");
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_000));
    world.background.complete(load, NOW).expect("again");
    not_owed(&mut world, &mut purse, 5_000);

    let (back, mut other) = (copy.cancel(&value), world.sam(2));
    other.entries.push((Outcome::Receipt, back));
    world.collect(&mut other);
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_000));
    assert_eq!(world.reasons(), ["clone"]);
    assert!(world.line(&purse).hotlisted);
}

/// The order for the refund has left, and the purse goes to its PSAM for the cancellation instead.
#[test]
fn a_purse_that_takes_it_back_is_not_refunded() {
    for statement_first in [true, false] {
        let mut world = World::new();
        let (mut purse, value) = voided(&mut world);
        ask(&mut world, &mut purse, 5_000).expect("approved");
        let (nt, mut other) = (purse.position.nt, world.sam(2));
        let back = purse.cancel(&value);
        purse.position.nt = nt;
        other.entries.push((Outcome::Receipt, back));
        let batch = other.close();
        if !statement_first {
            world.submit(&batch);
            assert_eq!(terms(&mut world, &purse), (0, 0, 5_000));
        }
        not_owed(&mut world, &mut purse, 5_000);
        world.load(&mut purse, 10);
        if statement_first {
            world.submit(&batch);
        }
        assert_eq!(terms(&mut world, &purse), (0, 0, 5_010));
        assert_eq!(purse.position.balance.0, 5_010);
        assert!(!world.line(&purse).hotlisted);
    }
}

/// The record of the refund is lost; what the purse states at its next load confirms it.
#[test]
fn a_refund_is_confirmed_by_what_the_purse_states_later() {
    let mut world = World::new();
    let (mut purse, _) = voided(&mut world);
    let load = refund(&mut world, &mut purse, 5_000);
    world.load(&mut purse, 10);
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_010));
    world.background.complete(load, NOW).expect("late");
    not_owed(&mut world, &mut purse, 5_000);
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_010));
    assert_eq!(world.reasons(), [""; 0]);
}

/// A refund that the purse never carried out leaves the void as it was: it is asked for again.
#[test]
fn a_refund_that_moved_nothing_is_owed_still() {
    let mut world = World::new();
    let (mut purse, _) = voided(&mut world);
    ask(&mut world, &mut purse, 5_000).expect("approved");
    let load = refund(&mut world, &mut purse, 5_000);
    world.background.complete(load, NOW).expect("complete");
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_000));
    assert_eq!(purse.position.balance.0, 5_000);
}

/// A later purchase was taken back, and the number after the void is not known: for all that the purse
/// states, the void may have been taken back by it.
#[test]
fn a_void_before_a_gap_is_refunded_once_the_gap_is_filled() {
    let mut world = World::new();
    let (mut purse, _) = voided(&mut world);
    let mut hidden = world.sam(2);
    let bought = world.pay(&mut purse, &mut hidden, 100);
    let back = purse.cancel(&bought);
    not_owed(&mut world, &mut purse, 5_000);
    hidden.entries.extend([(Outcome::Credited, bought), (Outcome::Voided, bought), (Outcome::Receipt, back)]);
    world.collect(&mut hidden);
    let load = refund(&mut world, &mut purse, 5_000);
    world.background.complete(load, NOW).expect("complete");
    assert_eq!(terms(&mut world, &purse), (0, 5_000, 5_000));
    assert!(!world.line(&purse).hotlisted);
}

/// What its PSAM says was never debited, and its purse says was, is owed to the holder as a void is.
#[test]
fn what_was_never_debited_by_its_psams_word_is_refunded_as_well() {
    let mut world = World::new();
    let (mut purse, mut own, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 1_000);
    let value = world.pay(&mut purse, &mut own, 400);
    own.entries.push((Outcome::NotDebited, unanswered(&value)));
    other.entries.push((Outcome::Receipt, value));
    world.collect(&mut own);
    not_owed(&mut world, &mut purse, 400);
    world.collect(&mut other);
    let load = refund(&mut world, &mut purse, 400);
    world.background.complete(load, NOW).expect("complete");
    assert_eq!(terms(&mut world, &purse), (0, 400, 1_000));
    assert_eq!(world.background.settle(NOW).expect("settled").number, None);
}

/// Nothing is unloaded as a refund, whatever is owed.
#[test]
fn a_refund_goes_into_the_purse() {
    let mut world = World::new();
    let (mut purse, _) = voided(&mut world);
    world.load(&mut purse, 5_000);
    let request = TransferRequest { funding: Funding::Refund, ..world.ask(&mut purse, Kind::Unload, 5_000) };
    let error = world.background.authorise(&request, NOW).expect_err("refused");
    assert!(matches!(error, Error::Rejected(_)), "{error}");
    assert_eq!(terms(&mut world, &purse), (5_000, 0, 5_000));
}
