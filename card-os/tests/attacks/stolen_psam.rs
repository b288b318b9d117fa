//! A stolen PSAM, its keys read out: the master key of purchases of its group, its record
//! key, its cancellation key. What the thief can do: debit purses that are held to his
//! terminal (that is what a PSAM is for) under any SAM's name, and make honest PSAMs of
//! the group believe in purses that do not exist. What he cannot: load, unload, change a
//! parameter (no command does), cancel what another PSAM took, pass the purse's own
//! limits, or make S6, without which nobody is paid: a good S3 over a bad S6 is a forged
//! purse, an alarm for the group.

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Counter, Kind, Mac, Random, SamCounter};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{Cancel, CreditCancellation, CreditLoad, DebitIep, DebitUnload, Execute, Initialized};
use apdu_spec::record::{Counterpart, Decision, Order, Terms, balance_after};
use apdu_spec::sam::{CreditPsam, CreditRequest, InitializePsam, OpenPurchase};
use apdu_spec::signature::{Commitment, Heading, Name, S1, S2, S3};

use crate::people::{other_iep, records, worth};
use crate::support::world::{NOW, World};
use crate::support::{LIMIT, amount, issuer, key_of, sam_id};

fn order(minor: u32) -> Order {
    let (nt, taken_over) = (SamCounter(9_999), Counter::default());
    Order { amount: amount(minor), time: NOW, nt, taken_over, terms: Terms::default() }
}

/// What the thief signs with the purchase key, in a session of another kind.
fn order_under_the_purchase_key(
    kind: Kind,
    initialized: &Initialized,
    by: Counterpart,
    order: Order,
) -> Execute {
    let Initialized { statement, s1, .. } = *initialized;
    let key = apdu_spec::element::KeyReference { group: crate::support::GROUP, ..initialized.key };
    let (nt, random) = (statement.position.nt, statement.position.random);
    let context = SessionContext { kind, nt, random, counterpart: by };
    let key = DerivationKey::new(
        key_of(statement.identity.iep, Function::Purchase, key),
        initialized.key.algorithm,
    );
    let ks = key.statement_key(&context).order_key(order.nt);
    // Under the heading that the purse expects, not under his own key's.
    let heading = Heading::new(Name::S2, kind, initialized.key);
    Execute { order, s2: ks.sign(&S2 { heading, s1, sam: by.sam, order }) }
}

/// The thief fills purses, or empties them against cash: with every amount. Loads and
/// unloads are under a key that no SAM has.
#[test]
fn it_loads_and_unloads_nothing() {
    for minor in [1, 100, 1_000, 14_000] {
        for kind in [Kind::Load, Kind::Unload] {
            let mut world = World::with_balance(1_000);
            let before = worth(&mut world);
            let (counterpart, initialized) = world.initialize_transfer(kind, minor).unwrap();
            let after = balance_after(kind, initialized.statement.position.balance, amount(minor)).unwrap();
            let order = Order { terms: Terms::decision(Decision::Approved(after)), ..order(minor) };
            let forged = order_under_the_purchase_key(kind, &initialized, counterpart, order);
            let refused = match kind {
                Kind::Load => world.purse.execute::<CreditLoad>(&forged),
                _ => world.purse.execute::<DebitUnload>(&forged),
            };
            assert_eq!(refused.err(), Some(StatusWord::WRONG_MAC), "{kind:?} {minor}");
            assert_eq!(worth(&mut world), before);
        }
    }
}

/// The thief debits more than the purse allows: its own limit and overdraft hold, whatever
/// a PSAM orders.
#[test]
fn it_passes_no_limit_of_the_purse() {
    for (minor, expected) in [
        (LIMIT + 1, StatusWord::LIMIT_EXCEEDED),
        (0x7FFF_FFFF, StatusWord::LIMIT_EXCEEDED),
        (1_501, StatusWord::INSUFFICIENT_BALANCE),
    ] {
        let mut world = World::with_balance(1_000);
        let (counterpart, initialized) = world.initialize();
        let forged = issuer::forge_order(&initialized, counterpart, order(minor));
        assert_eq!(world.purse.execute::<DebitIep>(&forged).err(), Some(expected), "{minor}");
        assert_eq!(world.balance(), 1_000);
    }
}

/// The thief takes money from a purse: one debit for each time it is held to his terminal,
/// and the purse keeps a receipt that names him. He hands it in or nobody is paid.
#[test]
fn its_debits_leave_a_receipt() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize();
    let forged = issuer::forge_order(&initialized, counterpart, order(500));
    world.purse.execute::<DebitIep>(&forged).unwrap();
    assert_eq!(world.purse.execute::<DebitIep>(&forged).err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
    let receipt = world.previous_by_nv(2).unwrap().to_receipt().unwrap().unwrap();
    assert_eq!((receipt.counterpart.sam, receipt.order.nt.get()), (sam_id(), 9_999));
    assert_eq!(world.balance(), 500);
}

/// The thief lies about receipts: he says that all are taken over, so that the purse gives
/// up evidence of payments whose answer was lost. The numbers hold (none ahead of NV, none
/// back), and the log keeps the receipt for sixteen commits more, under a MAC.
#[test]
fn it_frees_receipts_and_the_log_still_has_them() {
    let mut world = World::with_balance(1_000);
    let lost = world.pay_and_lose_the_answer(100);
    let (counterpart, initialized) = world.initialize();
    let all = initialized.statement.position.nv;
    let forged = Order { taken_over: all.next().unwrap(), ..order(1) };
    let forged = issuer::forge_order(&initialized, counterpart, forged);
    assert_eq!(world.purse.execute::<DebitIep>(&forged).err(), Some(StatusWord::WRONG_DATA));
    let (counterpart, initialized) = world.initialize();
    let forged = issuer::forge_order(&initialized, counterpart, Order { taken_over: all, ..order(1) });
    world.purse.execute::<DebitIep>(&forged).unwrap();
    assert_eq!(world.information().receipts, 1);
    let receipt = world.previous_by_nv(2).unwrap().to_receipt().unwrap().unwrap();
    assert_eq!(receipt.order, lost.order);
    // Back below what he has said: no PSAM, stolen or not, makes them held again.
    let (counterpart, initialized) = world.initialize();
    let back = issuer::forge_order(&initialized, counterpart, order(1));
    assert_eq!(world.purse.execute::<DebitIep>(&back).err(), Some(StatusWord::WRONG_DATA));
}

/// The thief commits to a secret of his own choice, so that he can cancel. It gives back
/// what he has taken, once, and no purchase of another PSAM.
#[test]
fn it_cancels_what_it_took_and_no_more() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize();
    let secret = Key::new([0x5E; 16]);
    let mut own = order(400);
    own.terms = Terms::commitment(MacKey::new(&secret, initialized.key.algorithm).sign(&Commitment {
        heading: Heading::new(Name::Commitment, Kind::Purchase, initialized.key),
        statement: initialized.statement,
        sam: counterpart.sam,
        nt: own.nt,
        amount: own.amount,
    }));
    let forged = issuer::forge_order(&initialized, counterpart, own);
    world.purse.execute::<DebitIep>(&forged).unwrap();
    world.purse.execute::<CreditCancellation>(&Cancel { secret: secret.clone() }).unwrap();
    assert_eq!(world.balance(), 1_000);
    let again = world.purse.execute::<CreditCancellation>(&Cancel { secret: secret.clone() });
    assert_eq!(again.err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
    world.pay(400).unwrap();
    let other = world.purse.execute::<CreditCancellation>(&Cancel { secret });
    assert_eq!(other.err(), Some(StatusWord::WRONG_MAC));
    assert_eq!(world.balance(), 600);
}

/// The thief plays a purse that does not exist, with any balance, to an honest PSAM. It
/// believes him, since all it checks comes from the group's key: the goods are gone. But S6
/// is under a key that no SAM has; the issuer sees a good S3 over a bad S6 and pays
/// nothing (`host/background/tests/attacks.rs`).
#[test]
fn a_purse_that_does_not_exist_has_no_word_for_its_issuer() {
    let mut world = World::with_balance(1_000);
    let (_, Initialized { key, mut statement, .. }) = world.initialize();
    statement.identity.iep = other_iep();
    statement.position.balance = apdu_spec::element::Balance(15_000);
    statement.position.random = Random([1; 8]);
    let counterpart = world.counterpart();
    let context = SessionContext {
        kind: Kind::Purchase,
        nt: statement.position.nt,
        random: statement.position.random,
        counterpart,
    };
    let k1 = DerivationKey::new(key_of(other_iep(), Function::Purchase, key), key.algorithm);
    let k1 = k1.statement_key(&context);
    let heading = Heading::new(Name::S1, Kind::Purchase, key);
    let s1 = k1.mac_key().sign(&S1 { heading, statement, counterpart, amount: amount(0) });
    let request = OpenPurchase { key, statement, s1, amount: amount(5_000), time: NOW };
    let opened = world.sam.execute::<InitializePsam>(&request).unwrap();
    let s6 = Mac([0x66; 8]);
    let heading = Heading::new(Name::S3, Kind::Purchase, key);
    let s3 = k1.order_key(opened.order.nt).sign(&S3 { heading, s2: opened.s2, s6 });
    world.sam.execute::<CreditPsam>(&CreditRequest { nt: opened.order.nt, s3, s6 }).unwrap();

    let record = records(&mut world.sam).remove(0);
    let word = issuer::expected_s6(&record.value, record.value.entry.position);
    assert_ne!(word, s6);
    // Nor under any key that the thief has.
    for function in [Function::Purchase, Function::Record, Function::Cancellation] {
        let key = key_of(other_iep(), function, key);
        let key = DerivationKey::new(key, apdu_spec::element::Algorithm::AesCmac).certificate_key(&context);
        let right = key_of(
            other_iep(),
            Function::Certificate,
            apdu_spec::element::KeyReference { group: 0, ..record.value.entry.key },
        );
        let right =
            DerivationKey::new(right, apdu_spec::element::Algorithm::AesCmac).certificate_key(&context);
        assert_ne!(key.key(), right.key());
    }
}
