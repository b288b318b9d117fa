//! Forged MACs and forged fields, after the classes of the Wycheproof tables: every bit
//! of every command that a MAC protects, turned over, and MACs that are cut, padded,
//! filled or backwards. Each forgery meets a fresh copy of the card in the very state in
//! which the right command is good, and at the end the right command is.

use std::ops::Range;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::declare::Command;
use apdu_spec::element::{Algorithm, BatchNumber, Kind, Mac};
use apdu_spec::purse::{Cancel, CreditCancellation, CreditLoad, DebitIep, DebitUnload, Execute};
use apdu_spec::sam::{
    CompleteRequest, CreditPsam, CreditRequest, InitializePsam, OpenPurchase, PsamAcknowledge, PsamComplete,
    ReceiptRequest, StoreReceipt, VerifyContact, VerifyPurse,
};
use apdu_spec::{Element as _, StatusWord};
use card_os::applets::AppletKind;

use crate::people::{holdings, near, worth};
use crate::story::card;
use crate::support::world::{NOW, World};
use crate::support::{amount, issuer, reference};

/// A world in the state in which this command to this card is good, and the command.
type Stage = (World, AppletKind, Vec<u8>);

const HEADER: usize = 5;
const MAC: usize = 8;

fn bytes<C: Command>(request: &C::Request) -> Vec<u8> {
    C::encode(request, &mut [0; 262]).unwrap().to_vec()
}

/// Every bit of `fields` turned over, and every wrong shape of the MAC at `mac`: refused,
/// and no byte of either card has changed. Both are places in the data field.
fn refuses_forgeries(stage: fn() -> Stage, fields: Range<usize>, mac: Option<usize>) {
    let mut cases = 0;
    let mut refuse = |forged: &[u8]| {
        let (mut world, kind, _) = stage();
        let before = (holdings(&mut world), worth(&mut world));
        // Asking what it is worth ends no session.
        let status = card(&mut world, kind).status(forged);
        assert_ne!(status, StatusWord::OK, "{forged:02X?}");
        assert_eq!(worth(&mut world), before.1, "{forged:02X?}");
        assert!(holdings(&mut world) == before.0, "{forged:02X?} has written");
        cases += 1;
    };
    let (_, _, right) = stage();
    for bit in 8 * fields.start..8 * fields.end {
        let mut forged = right.clone();
        forged[HEADER + bit / 8] ^= 1 << (bit % 8);
        refuse(&forged);
    }
    for wrong in mac.map(|at| near(mac_at(&right, at))).unwrap_or_default() {
        let mut forged = right.clone();
        forged[HEADER + mac.unwrap_or(0)..][..MAC].copy_from_slice(&wrong.0);
        refuse(&forged);
    }
    println!("forgeries refused: {cases}");
    let (mut world, kind, right) = stage();
    assert_eq!(card(&mut world, kind).status(&right), StatusWord::OK, "the right one is good");
}

fn mac_at(command: &[u8], at: usize) -> Mac {
    Mac(*command[HEADER + at..].first_chunk().unwrap())
}

fn statement() -> Stage {
    let mut world = World::with_balance(1_000);
    let (_, apdu_spec::purse::Initialized { key, statement, s1 }) = world.initialize();
    let request = OpenPurchase { key, statement, s1, amount: amount(100), time: NOW };
    (world, AppletKind::Sam, bytes::<InitializePsam>(&request))
}

/// The attacker's purse looks richer, younger, of another issuer or with other counters:
/// goods on credit. S1 covers key and statement; amount and time behind it are the
/// terminal's own.
#[test]
fn a_statement() {
    refuses_forgeries(statement, 0..3 + 46 + MAC, Some(3 + 46));
}

/// The same to a terminal that asks only whether the purse is genuine.
#[test]
fn a_statement_of_a_contact() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        let (_, apdu_spec::purse::Initialized { key, statement, s1 }) = world.initialize();
        let request = VerifyContact { key, statement, s1, time: NOW };
        (world, AppletKind::Sam, bytes::<VerifyPurse>(&request))
    };
    refuses_forgeries(stage, 0..3 + 46 + MAC, Some(3 + 46));
}

/// The attacker lowers an amount, or names another number, time or commitment: the goods
/// for less. S2 covers the order.
#[test]
fn an_order() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        let (_, initialized) = world.initialize();
        let opened = world.order(&initialized, 100).unwrap();
        let execute = Execute { order: opened.order, s2: opened.s2 };
        (world, AppletKind::Purse, bytes::<DebitIep>(&execute))
    };
    refuses_forgeries(stage, 0..Execute::MAX, Some(Execute::MAX - MAC));
}

fn transfer(kind: Kind) -> (World, Execute) {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize_transfer(kind, 100).unwrap();
    let execute = issuer::authorise(kind, &initialized, counterpart, amount(100), true);
    (world, execute)
}

/// The attacker raises a load, or makes an approval of a refusal. S2 covers amount,
/// decision and the balance to come.
#[test]
fn an_order_to_load() {
    let stage = || {
        let (world, execute) = transfer(Kind::Load);
        (world, AppletKind::Purse, bytes::<CreditLoad>(&execute))
    };
    refuses_forgeries(stage, 0..Execute::MAX, Some(Execute::MAX - MAC));
}

/// The attacker lowers what an unload takes from the purse and is paid the whole.
#[test]
fn an_order_to_unload() {
    let stage = || {
        let (world, execute) = transfer(Kind::Unload);
        (world, AppletKind::Purse, bytes::<DebitUnload>(&execute))
    };
    refuses_forgeries(stage, 0..Execute::MAX, Some(Execute::MAX - MAC));
}

/// A refusal by the issuer, its bits turned one by one: none is an approval.
#[test]
fn a_refusal_to_load() {
    for bit in 0..8 * Execute::MAX {
        let mut world = World::with_balance(1_000);
        let (counterpart, initialized) = world.initialize_transfer(Kind::Load, 100).unwrap();
        let execute = issuer::authorise(Kind::Load, &initialized, counterpart, amount(100), false);
        let mut command = bytes::<CreditLoad>(&execute);
        command[HEADER + bit / 8] ^= 1 << (bit % 8);
        assert_ne!(world.purse.status(&command), StatusWord::OK, "bit {bit}");
        assert_eq!(world.balance(), 1_000, "bit {bit}");
    }
}

/// The attacker makes the secret that gives a purchase back from one that is nearly it.
#[test]
fn a_cancellation_secret() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        let nt = world.pay(400).unwrap().opened.order.nt;
        let secret = world.void(nt).unwrap().secret;
        (world, AppletKind::Purse, bytes::<CreditCancellation>(&Cancel { secret }))
    };
    refuses_forgeries(stage, 0..16, None);
}

/// The attacker takes the goods and gives the PSAM an S3 or S6 of his own: the merchant
/// has no payment. S3 covers S2 and S6, and the number leads to the purchase.
#[test]
fn evidence_of_a_payment() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        let (_, initialized) = world.initialize();
        // Another purchase is open beside it.
        world.order(&initialized, 100).unwrap();
        let (_, initialized) = world.initialize();
        let opened = world.order(&initialized, 100).unwrap();
        let executed = world.debit(&opened).unwrap();
        let request = CreditRequest { nt: opened.order.nt, s3: executed.s3, s6: executed.s6 };
        (world, AppletKind::Sam, bytes::<CreditPsam>(&request))
    };
    refuses_forgeries(stage, 0..3 + 2 * MAC, Some(3));
    refuses_forgeries(stage, 0..0, Some(3 + MAC));
}

/// The attacker turns "paid" into "never debited", or makes the denial of one purse or
/// session that of another: a payment disappears.
#[test]
fn a_denial() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        let (_, initialized) = world.initialize();
        let nt = world.order(&initialized, 100).unwrap().order.nt;
        let previous = world.previous_by_nt(initialized.statement.position.nt).unwrap();
        (world, AppletKind::Sam, bytes::<PsamComplete>(&CompleteRequest { nt, previous }))
    };
    refuses_forgeries(stage, 0..3 + PREVIOUS, Some(3 + PREVIOUS - MAC));
}

const PREVIOUS: usize = 3 + 46 + 1 + 3 + 1 + 85 + MAC;

/// The attacker raises the amount of a receipt, or names his own PSAM in it. The answer is
/// under a MAC as a whole.
#[test]
fn a_receipt() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        world.take_over_up_to(1);
        world.pay_and_lose_the_answer(100);
        let previous = world.previous_by_nv(2).unwrap();
        (world, AppletKind::Sam, bytes::<StoreReceipt>(&ReceiptRequest { previous }))
    };
    refuses_forgeries(stage, 0..PREVIOUS, Some(PREVIOUS - MAC));
}

/// The attacker makes a PSAM forget a batch that nobody has stored: the merchant's money.
#[test]
fn an_acknowledgement() {
    let stage = || {
        let mut world = World::with_balance(1_000);
        world.pay(10).unwrap();
        let (trailer, _) = world.collect();
        let key = reference(Algorithm::AesCmac, 0);
        let word: Acknowledgement = issuer::acknowledge(trailer.batch, trailer.s4, key);
        (world, AppletKind::Sam, bytes::<PsamAcknowledge>(&word))
    };
    refuses_forgeries(stage, 0..25, Some(25 - MAC));
    assert_eq!(BatchNumber::default().get(), 0, "no batch has the number of a release");
}

/// The attacker sends MACs that are too short, down to none, to a card that would compare
/// what there is.
#[test]
fn short_macs() {
    let (mut world, _, right) = statement();
    for less in 1..=MAC {
        let mut short = right[..right.len() - less].to_vec();
        short[4] -= u8::try_from(less).unwrap();
        assert_eq!(world.sam.status(&short), StatusWord::WRONG_LENGTH, "{less} bytes less");
    }
    let paid = world.pay(1).unwrap();
    let all = bytes::<DebitIep>(&Execute { order: paid.opened.order, s2: paid.opened.s2 });
    for less in 1..=MAC {
        world.initialize();
        let mut short = all[..all.len() - less].to_vec();
        short[4] -= u8::try_from(less).unwrap();
        assert_eq!(world.purse.status(&short), StatusWord::WRONG_LENGTH, "{less} bytes less");
    }
}
