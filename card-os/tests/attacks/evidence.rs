//! Attacks on what comes after an order: credits, cancellations, receipts, denials and
//! acknowledgements, each with the sentence that it must not make false. The attacker owns
//! the terminal.

use crate::people::other_purse;
use crate::support::world::{NOW, World};
use crate::support::{self, issuer};
use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Algorithm, Counter, Kind, Mac, Random, SamCounter};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{Cancel, CreditCancellation, DebitIep, PreviousSignature};
use apdu_spec::record::LogEntry;
use apdu_spec::sam::{
    CancellationSecret, CompleteRequest, PsamAcknowledge, PsamComplete, ReceiptRequest, StoreReceipt,
};

/// A purchase comes back once.
#[test]
fn double_cancellation() {
    let mut world = World::with_balance(1_000);
    let nt = world.pay(400).unwrap().opened.order.nt;
    let CancellationSecret { secret, .. } = world.void(nt).unwrap();
    world.purse.execute::<CreditCancellation>(&Cancel { secret: secret.clone() }).unwrap();
    let again = world.purse.execute::<CreditCancellation>(&Cancel { secret });
    assert_eq!(again, Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(world.balance(), 1_000);
}

/// The secret of one purchase cancels no other, though it be of the same amount.
#[test]
fn cancellation_secret_of_another_purchase() {
    let mut world = World::with_balance(1_000);
    let first = world.pay(400).unwrap().opened.order.nt;
    let CancellationSecret { secret, .. } = world.void(first).unwrap();
    world.pay(400).unwrap();
    let cancelled = world.purse.execute::<CreditCancellation>(&Cancel { secret });
    assert_eq!(cancelled, Err(StatusWord::WRONG_MAC));
    // The purse does not say any more that it was its last.
    assert_eq!(world.void(first).err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(world.balance(), 200);
}

/// What is collected is paid: no secret leaves for it any more; nor for what was never paid.
#[test]
fn cancellation_of_what_is_not_a_payment_of_the_open_batch() {
    let mut world = World::with_balance(1_000);
    let collected = world.pay(400).unwrap().opened.order.nt;
    world.collect();
    assert_eq!(world.void(collected).err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(world.void(SamCounter(9)).err(), Some(StatusWord::RECORD_NOT_FOUND));
    let open = world.pay_and_lose_the_answer(10).order.nt;
    assert_eq!(world.void(open).err(), Some(StatusWord::RECORD_NOT_FOUND));
}

/// A payment is credited once, whichever way its evidence comes.
#[test]
fn credit_twice() {
    let mut world = World::with_balance(1_000);
    let paid = world.pay(100).unwrap();
    let nt = paid.opened.order.nt;
    assert_eq!(world.credit(nt, paid.executed), Err(StatusWord::RECORD_NOT_FOUND));
    let previous = world.previous_by_nv(2).unwrap();
    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    let (trailer, records) = world.collect();
    assert_eq!((records.len(), trailer.sums.as_slice()[0].credited.get()), (1, 100));
}

/// A PSAM forgets a batch only for the word that names this batch and this S4.
#[test]
fn acknowledgements_of_other_batches() {
    let mut world = World::with_balance(1_000);
    let key = support::reference(Algorithm::AesCmac, 0);
    world.pay(10).unwrap();
    let (first, _) = world.collect();
    world.pay(10).unwrap();
    let (second, _) = world.collect();
    let before = world.sam.holdings();
    let mut send = |acknowledgement| world.sam.execute::<PsamAcknowledge>(&acknowledgement);
    let early = issuer::acknowledge(second.batch, second.s4, key);
    assert_eq!(send(early.clone()), Err(StatusWord::CONDITIONS_NOT_SATISFIED), "not the oldest");
    let other_s4 = issuer::acknowledge(first.batch, second.s4, key);
    assert_eq!(send(other_s4), Err(StatusWord::CONDITIONS_NOT_SATISFIED), "another S4");
    let renamed = apdu_spec::batch::Acknowledgement { batch: first.batch, ..early.clone() };
    assert_eq!(send(renamed), Err(StatusWord::WRONG_MAC), "renamed");
    let unknown = issuer::acknowledge(second.batch.next().unwrap(), second.s4, key);
    assert_eq!(send(unknown), Err(StatusWord::RECORD_NOT_FOUND), "the open batch");
    assert!(world.sam.holdings() == before);
}

/// A purse that nobody relieves of its receipts stops paying and loading, and loses none.
#[test]
fn full_receipts() {
    let mut world = World::with_balance(1_000);
    for _ in 0..14 {
        world.pay(10).unwrap();
    }
    assert_eq!(world.information().receipts, 15, "one place is left, for a cancellation");
    let (counterpart, initialized) = world.initialize();
    assert_eq!(world.order(&initialized, 10), Err(StatusWord::RECEIPTS_FULL), "an honest PSAM");
    let freed = Counter::default();
    let terms = apdu_spec::record::Terms::commitment(Mac([7; 8]));
    let order = |taken_over| apdu_spec::record::Order {
        amount: support::amount(1),
        time: NOW,
        nt: SamCounter(u32::MAX),
        taken_over,
        terms,
    };
    let forged = issuer::forge_order(&initialized, counterpart, order(freed));
    assert_eq!(world.purse.execute::<DebitIep>(&forged), Err(StatusWord::RECEIPTS_FULL), "a stolen PSAM");
    world.load(10).unwrap();
    assert_eq!(world.load(10).err(), Some(StatusWord::RECEIPTS_FULL));
    let (counterpart, initialized) = world.initialize();
    let beyond = issuer::forge_order(&initialized, counterpart, order(Counter::new(17).unwrap()));
    assert_eq!(world.purse.execute::<DebitIep>(&beyond), Err(StatusWord::WRONG_DATA), "taken over ahead");
    for nv in 1..=16 {
        assert_eq!(world.previous_by_nv(nv).unwrap().found, 1, "NV {nv}");
    }
    world.take_over_up_to(2);
    world.pay(10).unwrap();
}

/// Receipts are freed only up to the first that was not taken over.
#[test]
fn receipts_taken_over_with_a_gap() {
    let mut world = World::with_balance(1_000);
    for _ in 0..3 {
        world.pay(10).unwrap();
    }
    // NV 1 is left out, NV 3 comes before NV 2.
    for nv in [3, 2, 4] {
        let previous = world.previous_by_nv(nv).unwrap();
        world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    }
    assert_eq!(world.pay(10).unwrap().opened.order.taken_over.get(), 0);
    assert_eq!(world.information().receipts, 5);
    world.take_over_up_to(3);
    assert_eq!(world.pay(10).unwrap().opened.order.taken_over.get(), 3);
    assert_eq!(world.information().receipts, 3);
}

/// "Not debited" is final: the order is worthless afterwards, and the PSAM may forget it.
#[test]
fn an_order_kept_back_until_the_purse_has_denied_it() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let previous = world.previous_by_nt(initialized.statement.position.nt).unwrap();
    assert_eq!(previous.found, 0);
    assert_eq!(world.debit(&opened), Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    let nt = opened.order.nt;
    world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }).unwrap();
    assert_eq!(world.balance(), 1_000);
}

/// A denial of one session closes no other purchase, nor does one of another purse, and a denial
/// ahead of its session none.
#[test]
fn a_denial_of_another_session() {
    let mut world = World::with_balance(1_000);
    let opened = world.pay_and_lose_the_answer(100);
    let nt = opened.order.nt;
    let refused = Err(StatusWord::CONDITIONS_NOT_SATISFIED);
    let (_, unused) = world.initialize();
    let previous = world.previous_by_nt(unused.statement.position.nt).unwrap();
    assert_eq!(world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }), refused);
    // Of a session to come: true now, and not final.
    let next = unused.statement.position.nt.next().unwrap();
    let ahead = world.previous_by_nt(next).unwrap();
    assert_eq!((ahead.found, ahead.statement.position.nt < ahead.asked), (0, true));
    assert_eq!(world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous: ahead }), refused);
    // Debited: a receipt is no denial.
    let receipt = world.previous_by_nv(2).unwrap();
    assert_eq!(world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous: receipt }), refused);
    // Of another purse, which has come to a session of the same number and paid nothing.
    world.purse = other_purse();
    (0..3).for_each(|_| {
        let _ = world.initialize();
    });
    let debited = unused.statement.position.nt.get() - 1;
    let theirs = world.previous_by_nt(Counter::new(debited).unwrap()).unwrap();
    assert_eq!((theirs.found, theirs.statement.position.nt >= theirs.asked), (0, true));
    assert_eq!(world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous: theirs }), refused);
}

/// The purse never denies a purchase that its log no longer reaches, cancelled or not.
#[test]
fn a_purchase_older_than_the_log_is_not_denied() {
    let mut world = World::with_balance(1_000);
    let paid = world.pay(100).unwrap();
    let (nt_sam, nt) = (paid.opened.order.nt, paid.initialized.statement.position.nt);
    let CancellationSecret { secret, .. } = world.void(nt_sam).unwrap();
    world.purse.execute::<CreditCancellation>(&Cancel { secret }).unwrap();
    for _ in 0..17 {
        match world.previous_by_nt(nt) {
            Ok(previous) => assert_eq!(previous.found, 1),
            Err(status) => assert_eq!(status, StatusWord::RECORD_NOT_FOUND),
        }
        let nv = world.information().nv.get();
        world.take_over_up_to(nv);
        world.pay(1).unwrap();
    }
}

/// A denial made before its session began closes nothing, even where the PSAM's generator
/// repeats a challenge.
#[test]
fn a_denial_ahead_of_its_session() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let nt = world.order(&initialized, 100).unwrap().order.nt;
    let asked = initialized.statement.position.nt;
    let mut complete = |at: Counter| {
        let counterpart = world.counterpart();
        let mut statement = initialized.statement;
        statement.position.nt = at;
        let (key, receipt, mac) = (initialized.key, [0; LogEntry::WIDTH], Mac::default());
        let by = apdu_spec::element::Search::Nt;
        let mut previous = PreviousSignature { key, statement, by, asked, found: 0, receipt, mac };
        let random = Random::default();
        let context = SessionContext { kind: Kind::Recovery, nt: at, random, counterpart };
        let card_key = support::key_of(support::iep(), Function::Purchase, key);
        let mac_key = DerivationKey::new(card_key, key.algorithm).previous_key(&context);
        previous.mac = mac_key.sign(&previous.input(counterpart));
        world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous })
    };
    let before = Counter::new(asked.get() - 1).unwrap();
    assert_eq!(complete(before), Err(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(complete(asked), Ok(()));
}

/// The purse was debited, and a terminal that wants its payment forgotten asks it for a
/// receipt with the number of the session. "No such receipt" is no denial.
#[test]
fn a_question_by_nv_is_no_denial() {
    let mut world = World::with_balance(1_000);
    world.initialize(); // from here on, NT is ahead of NV
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    world.debit(&opened).unwrap();
    let nt = initialized.statement.position.nt;
    let previous = world.previous_by_nv(nt.get()).unwrap();
    assert_eq!(previous.found, 0);
    let request = CompleteRequest { nt: opened.order.nt, previous };
    let refused = world.sam.execute::<PsamComplete>(&request);
    assert_eq!(refused.err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
}
