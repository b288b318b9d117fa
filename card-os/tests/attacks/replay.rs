//! What was heard once is sent again: the same command, to the same card or to another
//! one, at any later time; a whole session of one side, without the card of that side.

use std::collections::BTreeSet;

use apdu_spec::StatusWord;
use apdu_spec::element::Algorithm;

use crate::people::{holdings, other_purse, other_sam, payable, records, worth};
use crate::story::{self, accepted, card, is_good_once};
use crate::support::status_of;
use crate::support::world::World;

/// The attacker sends every command that a card has accepted again, right after it and
/// after every later exchange. A second debit, credit, cancellation or load would be a
/// unit. Orders belong to a session that is over (NT, challenge), evidence to a purchase
/// that is settled: refused, and not a byte is written. Of what anybody may repeat none
/// moves a balance or adds a payment.
#[test]
fn every_accepted_command_in_every_later_state() {
    let tape = story::tape();
    let (mut cases, mut refused) = (0, 0);
    for end in 1..=tape.len() {
        for again in tape[..end].iter().filter(|exchange| accepted(exchange)) {
            let mut world = story::play(&tape[..end]);
            let before = (worth(&mut world), payable(&records(&mut world.sam)));
            let mut world = story::play(&tape[..end]);
            let bytes = holdings(&mut world);
            let status = card(&mut world, again.kind).status(&again.command);
            if is_good_once(again) {
                assert_ne!(status, StatusWord::OK, "{again:?} after {end} exchanges");
                assert!(holdings(&mut world) == bytes, "{again:?} after {end} exchanges has written");
                refused += 1;
            }
            assert_eq!((worth(&mut world), payable(&records(&mut world.sam))), before, "{again:?}");
            cases += 1;
        }
    }
    println!("replays: {cases}, of these refused {refused}");
    let once: BTreeSet<_> = tape.iter().filter(|e| is_good_once(e)).map(|e| &e.command[1..3]).collect();
    assert!(once.len() >= 9 && refused > 300, "{once:02X?} {refused}");
}

/// The attacker sends what one card has accepted to another purse or PSAM of the same
/// scheme. A session heard once would fill or empty every card. Keys are derived for each
/// purse, and challenge, identity and NT of the PSAM are in the session keys.
#[test]
fn every_accepted_command_to_another_card() {
    let tape = story::tape();
    let mut cases = 0;
    for exchange in tape.iter().filter(|exchange| accepted(exchange) && is_good_once(exchange)) {
        let mut world = World { purse: other_purse(), sam: other_sam() };
        world.load(1_000).unwrap();
        world.pay(10).unwrap();
        // Each card has a session open, as when the command was heard.
        let (_, initialized) = world.initialize();
        if exchange.command[1] == 0x72 {
            world.order(&initialized, 100).unwrap();
        }
        let bytes = holdings(&mut world);
        let status = card(&mut world, exchange.kind).status(&exchange.command);
        assert_ne!(status, StatusWord::OK, "{exchange:?}");
        assert!(holdings(&mut world) == bytes, "{exchange:?}");
        cases += 1;
    }
    println!("commands sent to another card: {cases}");
    assert!(cases >= 20);
}

/// The attacker has listened to whole purchases and plays the purse to a PSAM, all its
/// answers from the tape: a purchase without a purse. S1 answers the PSAM's challenge.
#[test]
fn a_recorded_purse_pays_nobody() {
    let tape = story::tape();
    let mut world = story::play(&tape);
    let before = payable(&records(&mut world.sam));
    let statements = tape.iter().filter(|e| e.command.get(1) == Some(&0x70) && e.command[2] == 0);
    let credits: Vec<_> = tape.iter().filter(|e| e.command.get(1) == Some(&0x72)).collect();
    let mut cases = 0;
    for statement in statements {
        world.counterpart();
        assert_eq!(world.sam.status(&statement.command), StatusWord::WRONG_MAC);
        for credit in &credits {
            assert_eq!(world.sam.status(&credit.command), StatusWord::RECORD_NOT_FOUND);
            cases += 1;
        }
    }
    assert!(cases > 20, "{cases}");
    assert_eq!(payable(&records(&mut world.sam)), before);
}

/// The attacker plays PSAM or issuer to the purse, all orders from the tape: a debit for
/// nobody, or a load for nothing. S2 covers S1 and the session key NT and R of the purse.
#[test]
fn a_recorded_counterpart_orders_nothing() {
    let tape = story::tape();
    let mut world = story::play(&tape);
    let before = worth(&mut world);
    let sessions = tape.iter().filter(|e| e.command.get(1) == Some(&0x50));
    let orders: Vec<_> =
        tape.iter().filter(|e| e.command.len() > 21 && matches!(e.command[1], 0x52 | 0x54)).collect();
    let mut cases = 0;
    for session in sessions {
        for order in &orders {
            let opened = world.purse.transmit(&session.command);
            assert_eq!(status_of(&opened), StatusWord::OK);
            assert_ne!(opened, session.answer, "the purse never states the same twice");
            let expected = [StatusWord::WRONG_MAC, StatusWord::CONDITIONS_NOT_SATISFIED];
            assert!(expected.contains(&world.purse.status(&order.command)));
            cases += 1;
        }
    }
    println!("recorded orders: {cases}");
    assert!(cases > 50);
    assert_eq!(worth(&mut world), before);
}

/// The attacker repeats both halves with Triple DES cards: the protocol is not the cipher.
#[test]
fn replays_with_triple_des() {
    let mut world = World::new(Algorithm::RetailMac);
    world.load(1_000).unwrap();
    let paid = world.pay(100).unwrap();
    world.initialize();
    assert_eq!(world.debit(&paid.opened), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.order(&paid.initialized, 100), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.credit(paid.opened.order.nt, paid.executed), Err(StatusWord::RECORD_NOT_FOUND));
    assert_eq!(world.balance(), 900);
}
