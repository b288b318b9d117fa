//! Lost answers recover anywhere: the receipt of a debit whose answer was lost is
//! fetched by another terminal, with another PSAM, which believes it by its MAC. It
//! names the PSAM that it is for, comes byte for byte the same however often it is asked,
//! and moves nothing.

use apdu_spec::element::Algorithm;
use apdu_spec::purse::{PreviousByNv, PreviousRequest};
use apdu_spec::record::{LogEntry, Outcome};
use apdu_spec::sam::{PsamAcknowledge, ReceiptRequest, StoreReceipt};
use apdu_spec::{Element as _, StatusWord};

use card_os::applets::AppletKind;

use crate::people::{other_sam, other_sam_id, payable, records, worth};
use crate::support::world::World;
use crate::support::{Device, GROUP, VERSION, iep, issuer, reference, sam_id};

/// The answer to DEBIT IEP is lost, and so is the terminal. The holder would have paid and
/// the merchant got nothing. Another PSAM takes the receipt over; the issuer finds the
/// first PSAM, its number and S6 in it.
#[test]
fn another_psam_takes_the_receipt_over() {
    for algorithm in Algorithm::ALL.iter().copied() {
        let mut world = World::new(algorithm);
        world.load(1_000).unwrap();
        let lost = world.pay_and_lose_the_answer(250);
        world.purse.power_cycle().unwrap();
        world.sam = Device::issued(AppletKind::Sam, algorithm, iep(), other_sam_id());
        let after = worth(&mut world);
        world.take_over_up_to(2);
        assert_eq!(worth(&mut world), after, "no second debit");
        let record = records(&mut world.sam).remove(1);
        assert_eq!((record.outcome, record.sam), (Outcome::Receipt, other_sam_id()));
        let entry = record.value.entry;
        assert_eq!((entry.counterpart.sam, entry.order), (sam_id(), lost.order));
        assert_eq!(issuer::check_s6(&record.value, entry.position).0, 750);
        assert_eq!(payable(&records(&mut world.sam)).into_values().collect::<Vec<_>>(), [250]);
    }
}

/// The bytes of the receipt, asked for under the challenge of this PSAM.
fn receipt(world: &mut World, nv: u32) -> [u8; LogEntry::MAX] {
    world.previous_by_nv(nv).unwrap().receipt
}

/// Asked again and again, by either PSAM, by NT and by NV, after resets and after later
/// purchases: the same 85 bytes.
#[test]
fn the_receipt_is_the_same_byte_for_byte() {
    let mut world = World::with_balance(1_000);
    let nt = world.information().nt.next().unwrap();
    world.pay_and_lose_the_answer(250);
    let first = receipt(&mut world, 2);
    assert_ne!(first, [0; LogEntry::MAX]);
    for round in 0..6 {
        let mut other = other_sam();
        std::mem::swap(&mut world.sam, &mut other);
        assert_eq!(receipt(&mut world, 2), first, "another PSAM, round {round}");
        assert_eq!(world.previous_by_nt(nt).unwrap().receipt, first);
        std::mem::swap(&mut world.sam, &mut other);
        assert_eq!(receipt(&mut world, 2), first, "its own PSAM, round {round}");
        world.purse.power_cycle().unwrap();
        world.pay(1).unwrap();
    }
    assert_eq!(world.balance(), 1_000 - 250 - 6);
}

/// Under the very same challenge the whole answer is the same, MAC and all.
#[test]
fn the_same_question_gets_the_same_answer() {
    let mut world = World::with_balance(1_000);
    world.pay_and_lose_the_answer(250);
    let number = world.information().nv;
    let counterpart = world.counterpart();
    let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
    let first = world.purse.execute::<PreviousByNv>(&request).unwrap();
    let image = world.purse.chip().image().to_vec();
    for _ in 0..10 {
        assert_eq!(world.purse.execute::<PreviousByNv>(&request).unwrap(), first);
    }
    assert!(world.purse.chip().image() == image, "asking writes nothing");
}

/// Both PSAMs take the receipt, several times, and the first one gets the late answer too.
/// The attacker, a merchant, would be paid for each: one S6 is one payment.
#[test]
fn both_psams_have_the_receipt_and_it_is_one_payment() {
    let mut world = World::with_balance(1_000);
    world.take_over_up_to(1);
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 250).unwrap();
    let executed = world.debit(&opened).unwrap();
    let mut other = other_sam();
    std::mem::swap(&mut world.sam, &mut other);
    for _ in 0..3 {
        // The load was taken over by the other one, and comes first here.
        world.take_over_up_to(2);
    }
    std::mem::swap(&mut world.sam, &mut other);
    for _ in 0..3 {
        let previous = world.previous_by_nv(2).unwrap();
        let _ = world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous });
    }
    assert_eq!(world.credit(opened.order.nt, executed), Err(StatusWord::RECORD_NOT_FOUND));
    let mut all = records(&mut world.sam);
    all.extend(records(&mut other));
    assert_eq!(all.iter().filter(|record| record.value.entry.s6 == executed.s6).count(), 2);
    assert_eq!(payable(&all).into_values().collect::<Vec<_>>(), [250]);
}

/// A foreign PSAM's answer of the purse is worth nothing at this one: it is under that
/// PSAM's identity and challenge. And one PSAM's acknowledgement is nothing to another.
#[test]
fn an_answer_for_another_psam() {
    let mut world = World::with_balance(1_000);
    world.pay_and_lose_the_answer(250);
    let previous = world.previous_by_nv(2).unwrap();
    let mut other = other_sam();
    std::mem::swap(&mut world.sam, &mut other);
    world.counterpart();
    let refused = world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous });
    assert_eq!(refused, Err(StatusWord::WRONG_MAC));
    world.take_over_up_to(2);
    let (trailer, _) = world.collect();
    let key = reference(Algorithm::AesCmac, 0);
    let foreign = issuer::acknowledge_to(sam_id(), trailer.batch, trailer.s4, key);
    assert_eq!(world.sam.execute::<PsamAcknowledge>(&foreign), Err(StatusWord::WRONG_MAC));
    let own = issuer::acknowledge_to(other_sam_id(), trailer.batch, trailer.s4, key);
    world.sam.execute::<PsamAcknowledge>(&own).unwrap();
}
