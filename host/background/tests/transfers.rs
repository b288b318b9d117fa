//! Loads and unloads: decided once, reversed on the purse's word alone.

mod support;

use apdu_spec::element::{Balance, Kind, Time};
use apdu_spec::record::Decision;
use background::Error;
use network::{RejectionCode, ResolveRequest, TransferRequest};
use support::*;

fn decision(world: &mut World, request: &TransferRequest) -> Decision {
    let answer = world.background.authorise(request, NOW).expect("answered");
    answer.order.terms.to_decision().expect("a decision")
}

#[test]
fn the_same_statement_gets_the_same_order() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let request = world.ask(&mut purse, Kind::Load, 500);
    let first = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(world.background.authorise(&request, Time(NOW.0 + 60)).expect("answered"), first);
    assert_eq!(world.check().loads_pending, 500);

    // The same session with another amount: the purse has signed two statements.
    purse.position.nt = counter(0);
    let other = world.ask(&mut purse, Kind::Load, 900);
    let error = world.background.authorise(&other, NOW).expect_err("refused");
    assert!(matches!(error, Error::Rejected(why) if why.code == RejectionCode::Conflict));
    assert_eq!(world.reasons(), ["statement-differs"]);
    assert_eq!(world.check().loaded, 500);
}

#[test]
fn a_copied_purse_that_states_without_end_fills_nothing() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 100);
    for session in 0..200 {
        purse.position.nt = counter(7);
        let request = world.ask(&mut purse, Kind::Load, 500 + session);
        let answer = world.background.authorise(&request, NOW);
        assert_eq!(answer.is_ok(), session == 0);
    }
    assert_eq!(world.reasons(), ["statement-differs"; 64]);
}

#[test]
fn a_wrong_statement_is_not_answered_under_a_mac() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let mut request = world.ask(&mut purse, Kind::Load, 500);
    request.amount = amount(5_000);
    let error = world.background.authorise(&request, NOW).expect_err("refused");
    assert!(matches!(error, Error::Rejected(why) if why.code == RejectionCode::WrongMac));
    request.counterpart.sam = sam_id(901);
    assert!(world.background.authorise(&request, NOW).is_err());
    assert_eq!(world.check().loaded, 0);
}

#[test]
fn refusals_are_orders_too() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let above = world.ask(&mut purse, Kind::Load, MAXIMUM.unsigned_abs() + 1);
    assert_eq!(decision(&mut world, &above), Decision::Refused);
    let full = world.ask(&mut purse, Kind::Load, MAXIMUM.unsigned_abs());
    assert_eq!(decision(&mut world, &full), Decision::Approved(Balance(MAXIMUM)));
    let late = world.ask(&mut purse, Kind::Load, 1);
    let answer = world.background.authorise(&late, Time(NOW.0 + 86_400 * 400)).expect("answered");
    assert_eq!(answer.order.terms.to_decision(), Ok(Decision::Refused));
    world.background.hotlist(purse.identity.iep, NOW).expect("hotlisted");
    let hot = world.ask(&mut purse, Kind::Load, 1);
    assert_eq!(decision(&mut world, &hot), Decision::Refused);
    assert_eq!(world.check().loaded, 0, "the full load was reversed by the statement after it");
}

#[test]
fn a_pending_load_is_resolved_by_the_next_statement() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    // Not carried out: reversed.
    let request = world.ask(&mut purse, Kind::Load, 500);
    world.background.authorise(&request, NOW).expect("answered");
    world.load(&mut purse, 100);
    let books = world.check();
    assert_eq!((books.loaded, books.loads_pending, books.shadow), (100, 0, 100));

    // Carried out, the answer lost: confirmed, and complete when the receipt comes.
    let request = world.ask(&mut purse, Kind::Load, 700);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let lost = purse.execute(&request, &answer);
    world.load(&mut purse, 1);
    let books = world.check();
    assert_eq!((books.loaded, books.loads_pending, books.shadow), (801, 0, 801));
    let (mut sam, complete) = (world.sam(1), world.line(&purse).complete);
    assert_eq!(complete, 1);
    sam.entries.push((apdu_spec::record::Outcome::Receipt, lost));
    world.collect(&mut sam);
    assert_eq!(world.line(&purse).complete, 3);
    assert_eq!(world.check().loaded, 801);
}

/// What a copy of the purse states in a session of the same number says nothing about it.
#[test]
fn a_pending_load_is_not_reversed_by_a_statement_of_its_own_session() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let mut copy = purse.clone();
    let request = world.ask(&mut purse, Kind::Load, 500);
    world.background.authorise(&request, NOW).expect("answered");
    world.buy(&mut copy, &mut sam, 100);
    assert_eq!(copy.position.nt, purse.position.nt);
    world.collect(&mut sam);
    assert_eq!(world.check().loaded, 1_500);
}

#[test]
fn get_previous_resolves_both_ways_and_repeats_change_nothing() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let dead = world.ask(&mut purse, Kind::Load, 500);
    world.background.authorise(&dead, NOW).expect("answered");
    let by = world.counterpart(sam_id(900));
    let nt = purse.position.nt;
    let no = ResolveRequest { counterpart: by, previous: purse.previous(by, nt, None), nt };
    for _ in 0..2 {
        assert!(!world.background.resolve(&no, NOW).expect("resolved"));
        assert_eq!(world.check().loaded, 0);
    }

    let request = world.ask(&mut purse, Kind::Load, 700);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let nt = purse.position.nt;
    let yes = ResolveRequest { counterpart: by, previous: purse.previous(by, nt, Some(value.entry)), nt };
    for _ in 0..2 {
        assert!(world.background.resolve(&yes, NOW).expect("resolved"));
        let books = world.check();
        assert_eq!((books.loaded, books.loads_pending), (700, 0));
    }
    world.background.complete(value, NOW).expect("the terminal hands it in as well");
    assert_eq!(world.check().loaded, 700);

    let mut forged = yes;
    forged.previous.found = 0;
    assert!(world.background.resolve(&forged, NOW).is_err());
}

#[test]
fn an_unload_is_paid_once_and_after_its_certificate() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(world.check().unloaded, 0);
    let value = purse.execute(&request, &answer);
    for _ in 0..2 {
        world.background.complete(value, NOW).expect("complete");
        let books = world.check();
        assert_eq!((books.unloaded, books.shadow), (400, 600));
    }
    let above = world.ask(&mut purse, Kind::Unload, 601);
    assert_eq!(decision(&mut world, &above), Decision::Refused);
}

/// A purse that holds more than is known here gets nothing.
#[test]
fn an_unload_above_the_shadow_is_refused() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 100);
    purse.position.balance = Balance(5_000);
    let request = world.ask(&mut purse, Kind::Unload, 50);
    assert_eq!(decision(&mut world, &request), Decision::Refused);
}

#[test]
fn an_unload_in_doubt_waits_for_its_receipt() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let lost = purse.execute(&request, &answer);
    world.load(&mut purse, 1);
    assert_eq!(world.check().unloaded, 0);
    sam.entries.push((apdu_spec::record::Outcome::Receipt, lost));
    world.collect(&mut sam);
    assert_eq!(world.check().unloaded, 400);
    assert_eq!(world.shadow(&purse), i64::from(purse.position.balance.0));
}

#[test]
fn receipts_are_freed_only_when_they_are_known() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    world.buy(&mut purse, &mut sam, 10);
    purse.position.receipts = 2;
    let request = world.ask(&mut purse, Kind::Load, 0);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(answer.order.taken_over, counter(1), "the purchase has not come in");
    world.collect(&mut sam);
    let request = world.ask(&mut purse, Kind::Load, 0);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(answer.order.taken_over, counter(2));
}

#[test]
fn a_rolled_back_purse_is_refused_and_hotlisted() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let mut old = purse.clone();
    world.buy(&mut purse, &mut sam, 900);
    world.collect(&mut sam);
    old.position.nt = purse.position.nt;
    let request = world.ask(&mut old, Kind::Unload, 1_000);
    assert_eq!(decision(&mut world, &request), Decision::Refused);
    assert_eq!(world.reasons(), ["rolled-back"]);
    assert!(world.line(&purse).hotlisted);
    world.check();
}

/// A cancellation repeats the NT of its purchase: a request that was made before it and
/// comes after it is late, and not the request of a copied purse.
#[test]
fn a_request_from_before_a_cancellation_accuses_nobody() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    let bought = world.pay(&mut purse, &mut sam, 400);
    let request = world.ask(&mut purse, Kind::Load, 10);
    let back = purse.cancel(&bought);
    sam.entries.push((apdu_spec::record::Outcome::Voided, bought));
    sam.entries.push((apdu_spec::record::Outcome::Receipt, back));
    world.collect(&mut sam);
    world.background.authorise(&request, NOW).expect("answered");
    assert_eq!(world.reasons(), [""; 0]);
    assert!(!world.line(&purse).hotlisted);
    assert_eq!(world.check().loaded, 1_000, "its session is over: reversed at once");
}

/// An answer by NV that finds nothing looks like one by NT: it takes no unload back that
/// the purse may have committed.
#[test]
fn an_unload_is_not_reversed_by_an_answer_about_another_number() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    world.load(&mut purse, 1_000);
    let request = world.ask(&mut purse, Kind::Unload, 400);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let value = purse.execute(&request, &answer);
    let (by, nt) = (world.counterpart(sam_id(900)), purse.position.nt);
    let nothing = ResolveRequest { counterpart: by, previous: purse.previous(by, nt, None), nt };
    let error = world.background.resolve(&nothing, NOW).expect_err("undecided");
    assert!(matches!(error, Error::Rejected(why) if why.code == RejectionCode::Unavailable));
    world.background.complete(value, NOW).expect("complete");
    assert_eq!(world.check().unloaded, 400);
    assert!(!world.line(&purse).hotlisted);
}

/// What the purse has said against itself is an exception, not a second load.
#[test]
fn a_load_after_its_reversal_is_an_exception() {
    let mut world = World::new();
    let mut purse = world.purse(1);
    let request = world.ask(&mut purse, Kind::Load, 500);
    let answer = world.background.authorise(&request, NOW).expect("answered");
    let mut copy = purse.clone();
    world.load(&mut purse, 100);
    let value = copy.execute(&request, &answer);
    assert!(world.background.complete(value, NOW).is_err());
    assert_eq!(world.reasons(), ["reversed-transfer"]);
    assert_eq!(world.check().loaded, 100);
}
