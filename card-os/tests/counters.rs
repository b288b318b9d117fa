//! Counters at their maximum: they never wrap, the card refuses with a status word of its
//! own. Sixteen million sessions are written straight into the card's memory.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::element::{BatchNumber, Counter, IepId, Kind, Mac, PurseNumber, SamCounter, Service};
use apdu_spec::purse::{InitializeIep, InitializePurchase};
use apdu_spec::record::{Identity, LogEntry, Order, Position, Terms};
use apdu_spec::sam::{CloseBatch, GetSamData};
use apdu_spec::{Element as _, StatusWord};
use card_os::kernel::memory::{Change, Memory, entry, entry::RECORD};
use support::world::{NOW, World};
use support::{Chip, Device, GROUP, VERSION, bytes, issuer};

/// Tags of the first application: its cell 1 (sessions of a purse, open batch of a PSAM)
/// and its two logs.
const CELL_1: u8 = 33;
const LOG_0: u8 = RECORD;
const LOG_1: u8 = RECORD | 1;

/// Writes into the memory of a card that is switched off.
fn write(device: &mut Device, change: impl FnOnce(&mut Change)) {
    let mut chip = Chip::new();
    std::mem::swap(device.chip(), &mut chip);
    let mut memory = Memory::open(chip).unwrap();
    let mut written = Change::default();
    change(&mut written);
    let _ = memory.commit(written).unwrap();
    *device = Device::power_on(device.kind, memory.into_platform()).unwrap();
}

const LAST: u32 = 0x00FF_FFFF;

/// The last number that a log takes, of PSAMs.
const LAST_RECORD: u32 = entry::RECORD_MAX;

/// A position as cards keep it: flags and receipts, no NV, neither sums of offline loads nor
/// NV of the last cancellation where there were none.
fn stored(position: &Position) -> Vec<u8> {
    assert_eq!((position.nv_cancellation, position.service), (Counter::default(), Service::Open));
    let all = bytes(position);
    let (balance_nt, nv_load, random) = (&all[..7], &all[10..13], &all[24..32]);
    [&[position.receipts], balance_nt, nv_load, random].concat()
}

/// An open batch: number, first entry, first NT, S4 before, list.
fn open_batch(number: u32, first_nt: u32) -> Vec<u8> {
    let number = bytes(&BatchNumber::new(number).unwrap());
    [&number[..], &1_u32.to_be_bytes(), &first_nt.to_be_bytes(), &[0; 8 + 4]].concat()
}

#[test]
fn sessions_of_a_purse() {
    let mut world = World::with_balance(1_000);
    write(&mut world.purse, |change| change.set(CELL_1, &[0xFF, 0xFF, 0xFE]));
    world.pay(1).unwrap();
    assert_eq!(world.information().nt, Counter::MAX);
    let request = InitializePurchase { group: GROUP, version: VERSION, counterpart: world.counterpart() };
    let refused = world.purse.execute::<InitializeIep>(&request);
    assert_eq!(refused.err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    // What it knows it still tells.
    assert_eq!(world.balance(), 999);
    assert_eq!(world.previous_by_nt(Counter::MAX).unwrap().found, 1);
}

#[test]
fn value_commits_of_a_purse() {
    let mut world = World::with_balance(1_000);
    let (counterpart, initialized) = world.initialize();
    let mut position = initialized.statement.position;
    position.nv = Counter::new(LAST - 1).unwrap();
    let order = |taken_over| Order {
        amount: support::amount(1),
        time: NOW,
        nt: SamCounter::default(),
        taken_over,
        terms: Terms::default(),
    };
    let entry = LogEntry {
        kind: Kind::Purchase,
        key: initialized.key,
        position,
        counterpart,
        order: order(position.nv),
        s3: Mac::default(),
        s6: Mac::default(),
    };
    // Type and key, position, then the rest as it is on the wire.
    let wire = bytes(&entry);
    let kept = [&wire[..4], &stored(&entry.position), &wire[4 + Position::MAX..]].concat();
    write(&mut world.purse, |change| change.append(LOG_0, LAST, &kept));
    assert_eq!(world.information().nv, Counter::MAX);
    assert_eq!(world.pay(1).err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    assert_eq!(world.load(1).err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    let (counterpart, initialized) = world.initialize();
    let forged = issuer::forge_order(&initialized, counterpart, order(Counter::MAX));
    let refused = world.purse.execute::<apdu_spec::purse::DebitIep>(&forged);
    assert_eq!(refused.err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    assert_eq!((world.balance(), world.information().nv), (999, Counter::MAX));
}

#[test]
fn purchases_of_a_psam() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let opening = opening(&initialized);
    write(&mut world.sam, |change| {
        change.set(CELL_1, &open_batch(1, LAST_RECORD));
        change.append(LOG_0, LAST_RECORD, &opening);
    });
    assert_eq!(world.sam.execute::<GetSamData>(&()).unwrap().nt, SamCounter(LAST_RECORD));
    assert_eq!(world.pay(1).err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    assert_eq!(world.balance(), 1_000);
}

#[test]
fn batches_of_a_psam() {
    let mut world = World::with_balance(1_000);
    write(&mut world.sam, |change| change.set(CELL_1, &open_batch(LAST, 1)));
    assert_eq!(world.sam.execute::<GetSamData>(&()).unwrap().batch.get(), LAST);
    // The last batch takes payments and is never closed.
    world.pay(1).unwrap();
    assert_eq!(world.sam.execute::<CloseBatch>(&()).err(), Some(StatusWord::COUNTER_AT_MAXIMUM));
    assert_eq!(world.sam.execute::<GetSamData>(&()).unwrap().entries, 1);
    // Its second log holds the payment.
    let mut memory = Memory::open(world.sam.power_off()).unwrap();
    assert_eq!(memory.next(LOG_1), 2);
    assert_eq!(memory.platform().blocks_erased(), 16, "nothing was turned over");
}

/// How far before its end a counter starts, and how far it may still count.
const LEFT: [u32; 3] = [2, 1, 0];

/// At MAX-2, MAX-1 and MAX: the sessions, value commits, purchases and batches that are
/// left take place, and not one more; afterwards the card is as it was.
#[test]
fn every_counter_counts_to_its_maximum_and_no_further() {
    for left in LEFT {
        let counted = left as usize;
        assert_eq!(sessions_left(LAST - left), counted, "{left} sessions left");
        assert_eq!(batches_left(LAST - left), counted, "{left} batches left");
        assert_eq!(purchases_left(LAST_RECORD - left), counted, "{left} purchases left");
    }
}

/// Counts how often `step` works, up to five times.
fn count(world: &mut World, mut step: impl FnMut(&mut World) -> Result<(), StatusWord>) -> usize {
    for done in 0..5 {
        if let Err(status) = step(world) {
            assert_eq!(status, StatusWord::COUNTER_AT_MAXIMUM);
            let before = (world.sam.chip().image().to_vec(), world.balance());
            assert_eq!(step(world), Err(status), "it does not wrap");
            assert!(before == (world.sam.chip().image().to_vec(), world.balance()));
            return done;
        }
    }
    panic!("beyond the maximum");
}

fn sessions_left(start: u32) -> usize {
    let mut world = World::with_balance(1_000);
    write(&mut world.purse, |change| change.set(CELL_1, &start.to_be_bytes()[1..]));
    count(&mut world, |world| {
        let request = InitializePurchase { group: GROUP, version: VERSION, counterpart: world.counterpart() };
        world.purse.execute::<InitializeIep>(&request).map(drop)
    })
}

fn batches_left(start: u32) -> usize {
    let mut world = World::with_balance(1_000);
    write(&mut world.sam, |change| change.set(CELL_1, &open_batch(start, 1)));
    count(&mut world, |world| {
        if world.sam.execute::<GetSamData>(&()).unwrap().entries == 0 {
            world.pay(1)?;
        }
        world.sam.execute::<CloseBatch>(&()).map(drop)
    })
}

/// The bytes of an opening of a purse that stands where this one has just stated to be.
fn opening(initialized: &apdu_spec::purse::Initialized) -> Vec<u8> {
    let Identity { iep, expiry, maximum, .. } = initialized.statement.identity;
    // Of another purse: this one would take the place of its own.
    let iep = IepId { number: PurseNumber::new(99).unwrap(), ..iep };
    let position = &initialized.statement.position;
    let identity = [bytes(&iep), bytes(&expiry), bytes(&maximum), bytes(&position.nv)].concat();
    // Challenge, amount, time, receipts taken over, commitment.
    [bytes(&initialized.key), identity, stored(position), vec![0; 8 + 4 + 4 + 3 + 8]].concat()
}

fn purchases_left(start: u32) -> usize {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let opening = opening(&initialized);
    write(&mut world.sam, |change| {
        change.set(CELL_1, &open_batch(1, start));
        change.append(LOG_0, start, &opening);
    });
    count(&mut world, |world| world.pay(1).map(drop))
}

/// Entries of batches are numbered as well, receipts among them, so that their numbers end
/// before those of purchases do. A purchase whose record would get no number is refused
/// before S2 leaves, and the batch can still be closed.
#[test]
fn entries_of_a_psam() {
    for left in 0..12 {
        let mut world = World::with_balance(1_000);
        let (_, initialized) = world.initialize();
        let opening = opening(&initialized);
        // Entry `first - 1` is there and belongs to a batch that was acknowledged.
        let first = LAST_RECORD + 1 - left;
        let number = bytes(&BatchNumber::new(1).unwrap());
        let batch = [&number[..], &first.to_be_bytes(), &[0, 0, 0, 2], &[0; 8 + 4]].concat();
        // Not debited (03): NT 1, S3, S6, S5.
        let entry = [&[0x03, 0, 0, 0, 1][..], &[0; 24]].concat();
        write(&mut world.sam, |change| {
            change.set(CELL_1, &batch);
            change.append(LOG_0, 1, &opening);
            change.append(LOG_1, first - 1, &entry);
        });
        // Three are opened, the rest paid; and nothing is debited that is not recorded.
        let mut opened = 0;
        for number in 1..=3 {
            // Each of another purse: one purse takes the place of its own.
            opened += u32::from(world.tap(&mut World::another_purse(number), 1).is_ok());
        }
        assert_eq!(opened, left.min(3), "{left} numbers left");
        let mut paid = 0;
        let refused = loop {
            match world.pay(10) {
                Ok(_) => paid += 10,
                Err(status) => break status,
            }
        };
        assert_eq!(refused, StatusWord::COUNTER_AT_MAXIMUM, "{left} numbers left");
        assert_eq!((world.balance(), paid), (1_000 - paid, 10 * left.saturating_sub(3).cast_signed()));
        // A receipt would take a number that an open purchase has been promised.
        let previous = world.previous_by_nv(1).unwrap();
        let receipt = apdu_spec::sam::ReceiptRequest { previous };
        let full = world.sam.execute::<apdu_spec::sam::StoreReceipt>(&receipt);
        assert_eq!(full, Err(StatusWord::NOT_ENOUGH_MEMORY), "{left} numbers left");
        world.sam.power_cycle().unwrap();
        let trailer = world.sam.execute::<CloseBatch>(&()).unwrap();
        assert_eq!(u32::from(trailer.count), left);
    }
}
