//! Attacks on statements and orders, each with the sentence that it must not make false. The
//! attacker owns the terminal: it sends any command to both cards, in any order.

use crate::support::world::{NOW, World};
use crate::support::{self, GROUP, VERSION, amount, issuer};
use apdu_spec::element::{Algorithm, Kind, Mac};
use apdu_spec::purse::{
    Cancel, CreditCancellation, CreditLoad, DebitIep, DebitUnload, Execute, Executed, InitializeIep,
    InitializePurchase,
};
use apdu_spec::sam::{OpenPurchase, PsamAcknowledge, ReceiptRequest, StoreReceipt};
use apdu_spec::signature::{Heading, Name, S2};
use apdu_spec::{Command as _, Element as _, StatusWord};

/// The command and everything before it leaves balance, counters and receipts as they were.
fn assert_unchanged(world: &mut World, before: &apdu_spec::purse::PurseInformation, balance: i32) {
    let after = world.information();
    assert_eq!((after.nv, after.receipts, world.balance()), (before.nv, before.receipts, balance));
}

/// An order is carried out once.
#[test]
fn replayed_debit() {
    let mut world = World::with_balance(1_000);
    let paid = world.pay(100).unwrap();
    assert_eq!(world.debit(&paid.opened), Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(world.balance(), 900);
}

/// An order belongs to one session, even where the terminal repeats the PSAM's challenge.
#[test]
fn replayed_order_in_a_new_session() {
    let mut world = World::with_balance(1_000);
    let paid = world.pay(100).unwrap();
    let request = InitializePurchase { group: GROUP, version: VERSION, counterpart: paid.counterpart };
    world.purse.execute::<InitializeIep>(&request).unwrap();
    assert_eq!(world.debit(&paid.opened), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.balance(), 900);
}

/// S2 covers every bit of the order: amount, time, counter, receipts, commitment.
#[test]
fn an_order_with_any_bit_changed() {
    let mut refused = 0;
    for bit in 0..8 * Execute::MAX {
        let mut world = World::with_balance(1_000);
        let (_, initialized) = world.initialize();
        let opened = world.order(&initialized, 100).unwrap();
        let mut order = support::bytes(&Execute { order: opened.order, s2: opened.s2 });
        order[bit / 8] ^= 1 << (bit % 8);
        // The highest bit of an amount makes it no amount.
        let Ok(execute) = Execute::from_bytes(&order) else { continue };
        assert_eq!(world.purse.execute::<DebitIep>(&execute), Err(StatusWord::WRONG_MAC), "bit {bit}");
        assert_eq!((world.balance(), world.information().nv.get()), (1_000, 1));
        refused += 1;
    }
    assert_eq!(refused, 8 * Execute::MAX - 1);
}

/// The issuer's approval of a load is no order to debit, nor the approval of an unload.
#[test]
fn an_order_of_one_kind_used_as_another() {
    let mut world = World::with_balance(1_000);
    let before = world.information();
    let load = |world: &mut World| {
        let (counterpart, initialized) = world.initialize_transfer(Kind::Load, 100).unwrap();
        issuer::authorise(Kind::Load, &initialized, counterpart, amount(100), true)
    };
    let refused = Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    let execute = load(&mut world);
    assert_eq!(world.purse.execute::<DebitIep>(&execute), refused);
    let execute = load(&mut world);
    assert_eq!(world.purse.execute::<DebitUnload>(&execute), refused);
    // In a session of the other kind.
    let execute = load(&mut world);
    world.initialize_transfer(Kind::Unload, 100).unwrap();
    assert_eq!(world.purse.execute::<DebitUnload>(&execute), Err(StatusWord::WRONG_MAC));
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let execute = Execute { order: opened.order, s2: opened.s2 };
    assert_eq!(world.purse.execute::<CreditLoad>(&execute), refused);
    assert_unchanged(&mut world, &before, 1_000);
}

/// The keys of purchases sign no loads: a stolen PSAM cannot fill a purse.
#[test]
fn a_load_order_made_with_the_purchase_key() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize_transfer(Kind::Load, 100).unwrap();
    let right = issuer::authorise(Kind::Load, &initialized, counterpart, amount(100), true);
    let forged = issuer::forge_order(&initialized, counterpart, right.order);
    assert_eq!(world.purse.execute::<CreditLoad>(&forged), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.balance(), 1_000);
}

/// A wrong MAC changes no byte of either card.
#[test]
fn wrong_macs_change_nothing() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let holdings = |world: &mut World| [world.purse.holdings(), world.sam.holdings()];
    let before = holdings(&mut world);
    let wrong = Executed { s3: Mac([1; 8]), s6: Mac([2; 8]) };
    let execute = Execute { order: opened.order, s2: Mac([3; 8]) };
    assert_eq!(world.purse.execute::<DebitIep>(&execute), Err(StatusWord::WRONG_MAC));
    let cancel = Cancel { secret: apdu_spec::crypto::Key::new([4; 16]) };
    assert_eq!(world.purse.execute::<CreditCancellation>(&cancel), Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(world.credit(opened.order.nt, wrong), Err(StatusWord::WRONG_MAC));
    let acknowledgement = apdu_spec::batch::Acknowledgement {
        mac: Mac([5; 8]),
        ..issuer::acknowledge(
            apdu_spec::element::BatchNumber::new(1).unwrap(),
            Mac([6; 8]),
            support::reference(Algorithm::AesCmac, 0),
        )
    };
    assert_eq!(world.sam.execute::<PsamAcknowledge>(&acknowledgement), Err(StatusWord::WRONG_MAC));
    world.counterpart();
    let mut previous = world.previous_by_nv(1).unwrap();
    previous.receipt[20] ^= 1;
    assert_eq!(world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }), Err(StatusWord::WRONG_MAC));
    assert!(holdings(&mut world) == before);
}

/// S1 answers one challenge, and a challenge is good once.
#[test]
fn a_statement_for_another_challenge() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    world.counterpart();
    assert_eq!(world.order(&initialized, 100), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.order(&initialized, 100), Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    let (_, initialized) = world.initialize();
    world.order(&initialized, 100).unwrap();
    assert_eq!(world.order(&initialized, 100), Err(StatusWord::CONDITIONS_NOT_SATISFIED), "ordered twice");
}

/// S1 covers every bit of the statement: no purse looks richer, younger or domestic.
#[test]
fn a_statement_with_any_bit_changed() {
    let mut world = World::with_balance(1_000);
    let mut refused = 0;
    for bit in 0..8 * (OpenPurchase::MAX - 8) {
        let (_, initialized) = world.initialize();
        let apdu_spec::purse::Initialized { key, statement, s1 } = initialized;
        let request = OpenPurchase { key, statement, s1, amount: amount(100), time: NOW };
        let mut command = [0; 261];
        let mut command = apdu_spec::sam::InitializePsam::encode(&request, &mut command).unwrap().to_vec();
        command[5 + bit / 8] ^= 1 << (bit % 8);
        let status = world.sam.status(&command);
        let expected = [StatusWord::WRONG_MAC, StatusWord::REFERENCE_NOT_FOUND, StatusWord::WRONG_DATA];
        assert!(expected.contains(&status), "bit {bit}: {status}");
        refused += usize::from(status == StatusWord::WRONG_MAC);
    }
    assert!(refused > 8 * 46, "{refused}");
}

/// The name of a MAC is part of it: what signs an order under one name does not under another.
#[test]
fn an_order_under_another_name() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let key =
        support::key_of(support::iep(), apdu_spec::personalisation::Function::Purchase, initialized.key);
    let position = initialized.statement.position;
    let context = apdu_spec::crypto::session_key::SessionContext {
        kind: Kind::Purchase,
        nt: position.nt,
        random: position.random,
        counterpart,
    };
    let key = apdu_spec::crypto::session_key::DerivationKey::new(key, initialized.key.algorithm);
    let ks = key.statement_key(&context).order_key(opened.order.nt);
    let sign = |name| {
        let heading = Heading::new(name, Kind::Purchase, initialized.key);
        ks.sign(&S2 { heading, s1: initialized.s1, sam: counterpart.sam, order: opened.order })
    };
    assert_eq!(sign(Name::S2), opened.s2, "the test computes what the PSAM does");
    let execute = Execute { order: opened.order, s2: sign(Name::S1) };
    assert_eq!(world.purse.execute::<DebitIep>(&execute), Err(StatusWord::WRONG_MAC));
}
