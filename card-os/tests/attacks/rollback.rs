//! Rolled-back memory holdings: the attacker copies the memory of a purse or a PSAM, spends
//! or settles, and writes the copy back. No counter inside a chip survives that.
//!
//! What is detected where:
//!
//! * By a PSAM: nothing. The copy answers a fresh challenge with the right keys, and an
//!   offline PSAM has never heard of the purse. Every old *message* is still refused, so
//!   the attacker needs the image and not a tape.
//! * By the same PSAM, of a receipt: nothing either; it keeps both.
//! * By the background system, once two value commits have come in: (provider, purse, NV)
//!   or (acquirer, SAM, NT) with another S6. Both are kept, one is booked, the purse is
//!   hotlisted. A purse rolled back is seen at its next load or unload already, by an NV
//!   below the known one. `tests/tests/attacks_rollback.rs` runs these with all participants.
//! * Not before that. What the attacker gains is bounded by the balance of the image and
//!   the time until the batches are in; that memory cannot be written back is the
//!   chip's promise, not the protocol's.

use apdu_spec::StatusWord;
use apdu_spec::element::Kind;
use apdu_spec::purse::Executed;
use apdu_spec::record::BatchRecord;
use card_os::applets::AppletKind;

use crate::people::{other_sam, records};
use crate::support::world::{Paid, World};
use crate::support::{Device, issuer};

/// Purse, NV and S6 of a record: what deduplication sees.
fn key(record: &BatchRecord) -> (u32, [u8; 8]) {
    (record.value.entry.nv().unwrap().get(), record.value.entry.s6.0)
}

/// The purse's image is copied, spent, written back and spent again at another terminal.
/// Both PSAMs take it. The two records have the same (provider, purse, NV) and different
/// S6, both good: the purse's own words convict it.
#[test]
fn a_purse_spends_the_same_balance_twice() {
    let mut world = World::with_balance(1_000);
    let image = world.purse.chip().clone();
    world.pay(900).unwrap();
    world.purse = Device::power_on(AppletKind::Purse, image).unwrap();
    let mut first = std::mem::replace(&mut world.sam, other_sam());
    world.pay(900).unwrap();
    let (mut one, mut two) = (records(&mut first), records(&mut world.sam));
    let (one, two) = (one.remove(0), two.remove(0));
    assert_eq!((key(&one).0, one.value.identity), (key(&two).0, two.value.identity));
    assert_ne!(key(&one).1, key(&two).1);
    for record in [one, two] {
        assert_eq!(issuer::check_s6(&record.value, record.value.entry.position).0, 100);
    }
}

/// The same at one PSAM: NT_PSAM and the challenge have moved on, so that no record is a
/// copy of the other and both stay in the batch.
#[test]
fn a_purse_spends_the_same_balance_twice_at_one_psam() {
    let mut world = World::with_balance(1_000);
    let image = world.purse.chip().clone();
    world.pay(900).unwrap();
    world.purse = Device::power_on(AppletKind::Purse, image).unwrap();
    world.pay(900).unwrap();
    let records = records(&mut world.sam);
    let [one, two] = &records[..] else { panic!("{} records", records.len()) };
    assert_eq!(key(one).0, key(two).0);
    assert_ne!(key(one).1, key(two).1);
}

/// The image even has the generator's state, so that NT and R_IEP come again; the order
/// of the first life is played to the second. The counterpart's challenge makes it another
/// session.
#[test]
fn an_order_from_the_first_life() {
    let mut world = World::with_balance(1_000);
    let image = world.purse.chip().clone();
    let Paid { initialized, opened, .. } = world.pay(100).unwrap();
    world.purse = Device::power_on(AppletKind::Purse, image).unwrap();
    let (_, again) = world.initialize();
    assert_eq!(again.statement, initialized.statement, "NT and R have come again");
    assert_eq!(world.debit(&opened), Err(StatusWord::WRONG_MAC));
    assert_eq!(world.balance(), 1_000);
}

/// Played with the old challenge as well, the second life signs what the first one did,
/// bit for bit: the same S6 for the same NV is one payment.
#[test]
fn the_whole_first_life_again_is_the_same_payment() {
    let mut world = World::with_balance(1_000);
    let image = world.purse.chip().clone();
    let paid = world.pay(100).unwrap();
    world.purse = Device::power_on(AppletKind::Purse, image).unwrap();
    let request = apdu_spec::purse::InitializePurchase {
        group: crate::support::GROUP,
        version: crate::support::VERSION,
        counterpart: paid.counterpart,
    };
    world.purse.execute::<apdu_spec::purse::InitializeIep>(&request).unwrap();
    let Executed { s3, s6 } = world.debit(&paid.opened).unwrap();
    assert_eq!((s3, s6), (paid.executed.s3, paid.executed.s6));
    assert_eq!(world.credit(paid.opened.order.nt, paid.executed), Err(StatusWord::RECORD_NOT_FOUND));
}

/// The image from before an unload: the holder has the money and writes the balance back.
/// The purse itself cannot know; its next statement says an NV that the issuer has passed.
#[test]
fn a_purse_from_before_its_unload() {
    let mut world = World::with_balance(1_000);
    let image = world.purse.chip().clone();
    world.transfer(Kind::Unload, 1_000, true).unwrap();
    let known = world.information().nv;
    world.purse = Device::power_on(AppletKind::Purse, image).unwrap();
    let (_, stated) = world.initialize_transfer(Kind::Unload, 1_000).unwrap();
    assert!(stated.statement.position.nv < known, "what the background system looks at");
}

/// The merchant writes the image of his PSAM back, to give a purchase back to the holder
/// and hand it in for payment as well. The purchase of the rolled-back PSAM has the
/// same (SAM, NT) and the purse's cancellation has an S6 of its own.
#[test]
fn a_psam_from_before_its_cancellation() {
    let mut world = World::with_balance(1_000);
    let nt = world.pay(400).unwrap().opened.order.nt;
    let image = world.sam.chip().clone();
    let secret = world.void(nt).unwrap().secret;
    let cancel = apdu_spec::purse::Cancel { secret };
    world.purse.execute::<apdu_spec::purse::CreditCancellation>(&cancel).unwrap();
    world.sam = Device::power_on(AppletKind::Sam, image).unwrap();
    // The batch asks for payment of what was given back; the purse holds the proof.
    assert_eq!(records(&mut world.sam)[0].outcome, apdu_spec::record::Outcome::Credited);
    let receipt = world.previous_by_nv(3).unwrap().to_receipt().unwrap().unwrap();
    assert_eq!((receipt.kind, receipt.position.nv.get()), (Kind::Cancellation, 2));
}

/// A PSAM that was rolled back gives the same NT_PSAM to another purchase: the same
/// (acquirer, SAM, NT), the same batch number, another S4 and another S6.
#[test]
fn a_psam_counts_the_same_numbers_twice() {
    let mut world = World::with_balance(1_000);
    let image = world.sam.chip().clone();
    let one = world.pay(100).unwrap();
    let (first, _) = world.collect();
    world.sam = Device::power_on(AppletKind::Sam, image).unwrap();
    let two = world.pay(200).unwrap();
    let (second, _) = world.collect();
    assert_eq!(one.opened.order.nt, two.opened.order.nt);
    assert_ne!(one.executed.s6, two.executed.s6);
    assert_eq!(first.batch, second.batch);
    assert_ne!(first.s4, second.s4);
}
