//! Good MACs in the wrong place: of another transaction, kind, name, direction or
//! amount. The headings and the session keys keep them apart.

use std::collections::BTreeSet;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Algorithm, BatchNumber, Kind, Mac};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{DebitIep, Execute, Executed, Initialized};
use apdu_spec::sam::{CreditPsam, CreditRequest, InitializePsam, OpenPurchase, PsamAcknowledge};
use apdu_spec::signature::{Heading, Name, S1, S2, S3};
use apdu_spec::{Element, StatusWord};

use crate::people::{other_purse, other_sam, payable, records};
use crate::story;
use crate::support::world::{NOW, World};
use crate::support::{amount, iep, issuer, key_of, reference, sam_id};

/// Every eight bytes on the tape, at any place of any command or answer: all MACs that
/// were ever made are among them.
fn everything_heard() -> BTreeSet<[u8; 8]> {
    let tape = story::tape();
    let texts = tape.iter().flat_map(|exchange| [&exchange.command, &exchange.answer]);
    texts.flat_map(|text| text.windows(8)).map(|window| window.try_into().unwrap()).collect()
}

/// The attacker puts every eight bytes that ever passed, MACs of all names, kinds and
/// directions, in place of S1, S2, S3 and an acknowledgement's MAC: a card that answers
/// its own word, or takes one word for another, would move value.
#[test]
fn everything_heard_in_place_of_every_mac() {
    let heard = everything_heard();
    // The same story once more: the purse states, the PSAM orders, neither has answered.
    let tape = story::tape();
    let mut world = story::play(&tape);
    let key = reference(Algorithm::AesCmac, 0);
    let (trailer, _) = world.collect();
    let before = world.balance();
    for bytes in &heard {
        let mac = Mac(*bytes);
        let (_, Initialized { key: of, statement, .. }) = world.initialize();
        let request = OpenPurchase { key: of, statement, s1: mac, amount: amount(1), time: NOW };
        assert_eq!(world.sam.execute::<InitializePsam>(&request), Err(StatusWord::WRONG_MAC));
        let mut execute = issuer::forge_order(
            &Initialized { key: of, statement, s1: mac },
            world.counterpart(),
            tape_order(),
        );
        execute.s2 = mac;
        assert_eq!(world.purse.execute::<DebitIep>(&execute), Err(StatusWord::WRONG_MAC));
        let word = issuer::acknowledge(trailer.batch, trailer.s4, key);
        let refused = world.sam.execute::<PsamAcknowledge>(&Acknowledgement { mac, ..word });
        assert_eq!(refused, Err(StatusWord::WRONG_MAC));
    }
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 1).unwrap();
    for bytes in &heard {
        let request = CreditRequest { nt: opened.order.nt, s3: Mac(*bytes), s6: Mac(*bytes) };
        assert_eq!(world.sam.execute::<CreditPsam>(&request), Err(StatusWord::WRONG_MAC));
    }
    println!("{} words of eight bytes in four places", heard.len());
    assert!(heard.len() > 1_500);
    assert_eq!(world.balance(), before);
}

fn tape_order() -> apdu_spec::record::Order {
    apdu_spec::record::Order {
        amount: amount(1),
        time: NOW,
        nt: apdu_spec::element::SamCounter(1),
        taken_over: apdu_spec::element::Counter::default(),
        terms: apdu_spec::record::Terms::default(),
    }
}

/// A session that is open at both cards, with its keys as only a thief of both has them.
struct Open {
    world: World,
    initialized: Initialized,
    opened: apdu_spec::sam::Opened,
    context: SessionContext,
    key: DerivationKey,
}

fn open() -> Open {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let position = initialized.statement.position;
    let context =
        SessionContext { kind: Kind::Purchase, nt: position.nt, random: position.random, counterpart };
    let key = key_of(iep(), Function::Purchase, initialized.key);
    let key = DerivationKey::new(key, initialized.key.algorithm);
    Open { world, initialized, opened, context, key }
}

/// Every heading that differs from the right one in name, kind, algorithm, group or version.
fn headings(right: Heading) -> Vec<Heading> {
    let mut all = Vec::new();
    for name in Name::ALL.iter().copied() {
        for kind in Kind::ALL.iter().copied() {
            for algorithm in Algorithm::ALL.iter().copied() {
                let key = apdu_spec::element::KeyReference { algorithm, ..right.key };
                all.push(Heading { name, kind, key });
            }
        }
    }
    for (group, version) in [(0, 1), (2, 1), (1, 0), (1, 2)] {
        all.push(Heading { key: apdu_spec::element::KeyReference { group, version, ..right.key }, ..right });
    }
    all.retain(|heading| *heading != right);
    all
}

/// The attacker has got a card to sign the right fields under another heading (as an
/// oracle), with the right key. One name too many taken for S2 would be a debit order.
#[test]
fn the_right_order_under_every_other_heading() {
    let sign = |open: &Open, heading| {
        let ks = open.key.statement_key(&open.context).order_key(open.opened.order.nt);
        let (s1, sam, order) = (open.initialized.s1, open.context.counterpart.sam, open.opened.order);
        ks.sign(&S2 { heading, s1, sam, order })
    };
    let right = Heading::new(Name::S2, Kind::Purchase, open().initialized.key);
    let headings = headings(right);
    for heading in &headings {
        let mut open = open();
        assert_eq!(sign(&open, right), open.opened.s2, "the test computes what the PSAM does");
        let execute = Execute { order: open.opened.order, s2: sign(&open, *heading) };
        let refused = open.world.purse.execute::<DebitIep>(&execute);
        assert_eq!(refused, Err(StatusWord::WRONG_MAC), "{heading:?}");
    }
    println!("headings: {}", headings.len());
}

/// The same with S1 to the PSAM and S3 to the PSAM: an oracle at the purse.
#[test]
fn the_right_statement_and_evidence_under_every_other_heading() {
    let right = Heading::new(Name::S1, Kind::Purchase, open().initialized.key);
    let mut world = World::with_balance(1_000);
    for heading in headings(right) {
        let (counterpart, Initialized { key, statement, .. }) = world.initialize();
        let position = statement.position;
        let context =
            SessionContext { kind: Kind::Purchase, nt: position.nt, random: position.random, counterpart };
        let k1 = DerivationKey::new(key_of(iep(), Function::Purchase, key), key.algorithm);
        let k1 = k1.statement_key(&context);
        let s1 = k1.mac_key().sign(&S1 { heading, statement, counterpart, amount: amount(0) });
        let request = OpenPurchase { key, statement, s1, amount: amount(1), time: NOW };
        let refused = world.sam.execute::<InitializePsam>(&request);
        assert_eq!(refused.err(), Some(StatusWord::WRONG_MAC), "{heading:?}");
    }
    let mut open = open();
    let right = Heading::new(Name::S3, Kind::Purchase, open.initialized.key);
    let (nt, s2, s6) = (open.opened.order.nt, open.opened.s2, Mac([6; 8]));
    let ks: MacKey = open.key.statement_key(&open.context).order_key(nt);
    for heading in headings(right) {
        let s3 = ks.sign(&S3 { heading, s2, s6 });
        let refused = open.world.credit(nt, Executed { s3, s6 });
        assert_eq!(refused.err(), Some(StatusWord::WRONG_MAC), "{heading:?}");
    }
}

/// The PSAM's record key makes S4, S5, the chain and checks acknowledgements. The attacker
/// would have the PSAM itself sign the acknowledgement of a batch that nobody has stored.
#[test]
fn no_record_or_trailer_is_an_acknowledgement() {
    let mut world = World::with_balance(1_000);
    world.pay(10).unwrap();
    let (trailer, _) = world.collect();
    let reference = reference(Algorithm::AesCmac, 0);
    let key = issuer::record_key(sam_id(), trailer.batch, reference);
    let word = issuer::acknowledge(trailer.batch, trailer.s4, reference);
    let input = word.input(reference);
    let right = Heading::new(Name::Acknowledgement, Kind::Purchase, reference);
    for heading in headings(right) {
        let mac = key.sign(&apdu_spec::batch::AcknowledgementInput { heading, ..input.clone() });
        let word = Acknowledgement { mac, ..word.clone() };
        assert_eq!(world.sam.execute::<PsamAcknowledge>(&word), Err(StatusWord::WRONG_MAC), "{heading:?}");
    }
    // Under the key of another batch, of batch 0 (of releases), of another PSAM.
    let other = crate::people::other_sam_id();
    for (sam, batch) in [(sam_id(), 0), (sam_id(), 2), (other, trailer.batch.get())] {
        let key = issuer::record_key(sam, BatchNumber::new(batch).unwrap(), reference);
        let word = Acknowledgement { mac: key.sign(&input), ..word.clone() };
        assert_eq!(world.sam.execute::<PsamAcknowledge>(&word), Err(StatusWord::WRONG_MAC));
    }
}

/// Every input of a MAC begins with its name, and no two names are the same: what one card
/// signs under one name is never the input of another.
#[test]
fn every_input_begins_with_a_name_of_its_own() {
    let names: BTreeSet<u8> = Name::ALL.iter().map(|name| *name as u8).collect();
    assert_eq!(names.len(), Name::ALL.len());
    for name in Name::ALL.iter().copied() {
        let heading = Heading::new(name, Kind::Purchase, reference(Algorithm::AesCmac, 1));
        assert_eq!(heading.to_slice(&mut [0; Heading::MAX]).unwrap()[0], name as u8);
        let input = S3 { heading, s2: Mac::default(), s6: Mac::default() };
        assert_eq!(input.to_slice(&mut [0; S3::MAX]).unwrap()[0], name as u8);
    }
}

/// Two purses pay at one PSAM at the same time, 10 and 900. The attacker swaps their
/// orders, then their evidence, so that the dear purchase costs the cheap one's amount.
#[test]
fn swapped_amounts() {
    let mut world = World::with_balance(1_000);
    let mut other = World { purse: other_purse(), sam: other_sam() };
    other.load(1_000).unwrap();
    let (_, cheap) = world.initialize();
    let cheap = world.order(&cheap, 10).unwrap();
    std::mem::swap(&mut world.purse, &mut other.purse);
    let (_, dear) = world.initialize();
    let dear = world.order(&dear, 900).unwrap();
    // The purse in `world` owes 900, the one in `other` owes 10.
    assert_eq!(world.debit(&cheap), Err(StatusWord::WRONG_MAC));
    assert_eq!(other.debit(&dear), Err(StatusWord::WRONG_MAC));
    assert_eq!((world.balance(), other.balance()), (1_000, 1_000));

    let (_, dear) = world.initialize();
    let dear = world.order(&dear, 900).unwrap();
    std::mem::swap(&mut world.purse, &mut other.purse);
    let (_, cheap) = world.initialize();
    let cheap = world.order(&cheap, 10).unwrap();
    let paid = world.debit(&cheap).unwrap();
    assert_eq!(world.credit(dear.order.nt, paid), Err(StatusWord::WRONG_MAC));
    let lower = apdu_spec::sam::Opened { order: cheap.order, ..dear };
    assert_eq!(other.debit(&lower), Err(StatusWord::WRONG_MAC));
    world.credit(cheap.order.nt, paid).unwrap();
    assert_eq!(payable(&records(&mut world.sam)).into_values().collect::<Vec<_>>(), [10]);
    assert_eq!((world.balance(), other.balance()), (990, 1_000));
}
