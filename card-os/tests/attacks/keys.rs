//! The key ladder: what leaks with one card, and what a card gives away of its own accord.

use std::collections::BTreeSet;

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::card_key;
use apdu_spec::element::{Algorithm, IepId, Kind, PurseNumber};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{CreditLoad, DebitIep};
use card_os::applets::AppletKind;

use crate::people::{other_iep, other_purse, other_sam};
use crate::story;
use crate::support::world::World;
use crate::support::{self, Device, amount, iep, issuer, key_of, load_terminal, master, reference};

const FUNCTIONS: [Function; 5] =
    [Function::Load, Function::Purchase, Function::Certificate, Function::Record, Function::Cancellation];

/// The attacker has opened one purse and reads its keys, as with the one key of all cards
/// of a MIFARE scheme. Over 1,000 purses, five functions and two algorithms no key comes
/// twice, and none is a master key.
#[test]
fn no_two_cards_share_a_key() {
    let mut keys: BTreeSet<[u8; 16]> = FUNCTIONS.iter().map(|f| *master(*f).expose()).collect();
    let mut count = keys.len();
    for number in 1..=1_000 {
        let holder = IepId { number: PurseNumber::new(number).unwrap(), ..iep() };
        for function in FUNCTIONS {
            for algorithm in Algorithm::ALL.iter().copied() {
                let key = key_of(holder, function, reference(algorithm, 1));
                keys.insert(*key.expose());
                count += 1;
            }
        }
    }
    println!("keys: {count}");
    assert_eq!(keys.len(), count);
}

/// With the keys of one purse the attacker orders a load at 100 others. Each refuses.
#[test]
fn one_card_s_keys_forge_no_other_card() {
    for number in 1..=100 {
        let other = IepId { number: PurseNumber::new(number).unwrap(), ..iep() };
        let purse = Device::issued(AppletKind::Purse, Algorithm::AesCmac, other, load_terminal());
        let mut world = World { purse, sam: other_sam() };
        let (counterpart, mut initialized) = world.initialize_transfer(Kind::Load, 100).unwrap();
        // Signed with the keys of the purse that he has opened.
        initialized.statement.identity.iep = iep();
        let order = apdu_spec::record::Order {
            amount: amount(100),
            time: support::world::NOW,
            nt: apdu_spec::element::SamCounter(1),
            taken_over: apdu_spec::element::Counter::default(),
            terms: apdu_spec::record::Terms::decision(apdu_spec::record::Decision::Approved(
                apdu_spec::element::Balance(100),
            )),
        };
        let forged = issuer::sign_load(&initialized, counterpart, order);
        assert_eq!(world.purse.execute::<CreditLoad>(&forged).err(), Some(StatusWord::WRONG_MAC));
        // And a debit.
        let (counterpart, mut initialized) = world.initialize();
        initialized.statement.identity.iep = iep();
        let forged = issuer::forge_order(&initialized, counterpart, order);
        assert_eq!(world.purse.execute::<DebitIep>(&forged).err(), Some(StatusWord::WRONG_MAC));
        assert_eq!(world.balance(), 0);
    }
}

/// The purse of the attacker says that it is another one, whose keys he has not.
#[test]
fn a_purse_under_another_name() {
    let mut world =
        World { purse: other_purse(), sam: Device::personalised(AppletKind::Sam, Algorithm::AesCmac) };
    let (_, mut initialized) = world.initialize();
    assert_eq!(initialized.statement.identity.iep, other_iep());
    initialized.statement.identity.iep = iep();
    assert_eq!(world.order(&initialized, 0), Err(StatusWord::WRONG_MAC));
}

/// Whether these bytes are anywhere in an image.
fn holds(image: &[u8], key: &Key) -> bool {
    image.windows(16).any(|window| window == key.expose())
}

/// The attacker reads the memory of a purchase PSAM: there is no key of loads and none of
/// certificates, master or derived. Nor is any master key in a purse or a transfer card.
#[test]
fn no_card_holds_a_key_that_is_not_its_own() {
    let image = |kind| Device::personalised(kind, Algorithm::AesCmac).chip().image().to_vec();
    let (purse, sam) = (image(AppletKind::Purse), image(AppletKind::Sam));
    let transfer = image(AppletKind::Transfer);
    assert!(holds(&sam, &master(Function::Purchase)), "the search finds what is there");
    for function in [Function::Load, Function::Certificate, Function::Record, Function::Cancellation] {
        assert!(!holds(&sam, &master(function)), "{function:?}");
    }
    for function in [Function::Load, Function::Certificate] {
        for group in 0..=1 {
            let own =
                card_key(&master(function), iep().into(), function, reference(Algorithm::AesCmac, group));
            assert!(!holds(&sam, &own), "{function:?}");
        }
    }
    for function in FUNCTIONS {
        assert!(!holds(&purse, &master(function)) && !holds(&transfer, &master(function)), "{function:?}");
    }
}

/// The attacker listens to everything: no answer has eight bytes of a key in a row; the
/// secret that cancels a purchase is for that purchase alone.
#[test]
fn no_answer_carries_a_key() {
    let own = |holder: apdu_spec::crypto::derivation::Holder, function, group| {
        card_key(&master(function), holder, function, reference(Algorithm::AesCmac, group))
    };
    let mut keys: Vec<Key> = FUNCTIONS.iter().map(|function| master(*function)).collect();
    for (function, group) in [(Function::Load, 0), (Function::Purchase, 1), (Function::Certificate, 0)] {
        keys.push(own(iep().into(), function, group));
    }
    for function in [Function::Record, Function::Cancellation] {
        keys.push(own(support::sam_id().into(), function, 0));
    }
    let tape = story::tape();
    for exchange in &tape {
        for text in [&exchange.command, &exchange.answer] {
            let leaks = text
                .windows(8)
                .any(|window| keys.iter().any(|key| key.expose().windows(8).any(|part| part == window)));
            assert!(!leaks, "{exchange:?}");
        }
    }
    assert!(tape.len() > 60, "{}", tape.len());
}
