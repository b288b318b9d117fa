//! All that a card keeps: every cell, and every record that its applet still wants. Two
//! images with the same are the same card: applets know nothing else after power-up.

use std::hash::{Hash, Hasher};

use card_os::applets::AppletKind;
use card_os::kernel::memory::entry::{ENTRY_MAX, HEADER, RECORD};
use card_os::kernel::memory::{Change, Memory};
use card_os::platform::{Platform, UNIT};

use crate::digest::Digest;
use crate::station::{Chip, Recorder, Write};

/// Tags of the kernel and of the first application.
const TAGS: u8 = 64;
/// Cell 1 of the application: open batch of a PSAM, floors of a transfer card.
const CELL_1: u8 = 33;
/// Closed batches of a PSAM.
const CLOSED: std::ops::Range<u8> = 34..38;
/// Records that a purse keeps.
const LOG_MAX: u32 = 16;

/// A digest of all that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept(u64);

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The oldest record that each log must still have.
pub fn floors<P: Platform>(kind: AppletKind, memory: &Memory<P>) -> [u32; 2] {
    let mut buffer = [0; 256];
    match kind {
        AppletKind::Purse => [memory.next(RECORD).saturating_sub(LOG_MAX).max(1), 1],
        AppletKind::Transfer => match memory.cell(CELL_1, &mut buffer) {
            Some(8) => [number(&buffer[..4]), number(&buffer[4..8])],
            _ => [1, 1],
        },
        AppletKind::Sam => {
            // Number (3), first entry (4), first NT (3) of a batch.
            let mut batch = |tag| {
                let length = memory.cell(tag, &mut buffer)?;
                let all = (number(&buffer[..3]), number(&buffer[7..10]), number(&buffer[3..7]));
                (length > 0).then_some(all)
            };
            let oldest = CLOSED.filter_map(&mut batch).min().or_else(|| batch(CELL_1));
            oldest.map_or([1, 1], |(_, nt, entry)| [nt, entry])
        }
    }
}

/// Cells that a refusal may change: attempts at authentication of the kernel; tries of the PIN
/// and wrong MACs of the application.
const COUNTS: [u8; 3] = [6, 36, 62];

fn hash_cells<P: Platform>(memory: &Memory<P>, digest: &mut impl Hasher) {
    hash_some_cells(memory, 0..TAGS, digest);
}

fn hash_some_cells<P: Platform>(
    memory: &Memory<P>,
    tags: impl IntoIterator<Item = u8>,
    digest: &mut impl Hasher,
) {
    let mut buffer = [0; 256];
    for tag in tags {
        if let Some(length) = memory.cell(tag, &mut buffer) {
            digest.write(&[tag]);
            digest.write(&buffer[..length]);
        }
    }
}

/// Reads what a write can have changed: cells, ends of logs, and the records that it holds.
pub fn hash_changed<P: Platform>(memory: &Memory<P>, write: &Write, digest: &mut impl Hasher) {
    hash_cells(memory, digest);
    [RECORD, RECORD + 1].map(|log| memory.next(log)).hash(digest);
    for (tag, number) in write.records() {
        let mut buffer = [0; 256];
        let length = memory.record(tag, number, &mut buffer);
        digest.write(&buffer[..length.unwrap_or(0)]);
    }
}

/// Reads the cells that no refusal may change.
pub fn lasting<P: Platform>(memory: &Memory<P>) -> Kept {
    let mut digest = Digest::default();
    hash_some_cells(memory, (0..TAGS).filter(|tag| !COUNTS.contains(tag)), &mut digest);
    Kept(digest.finish())
}

/// Reads all that is kept.
pub fn kept<P: Platform>(kind: AppletKind, memory: &Memory<P>) -> Kept {
    let mut digest = Digest::default();
    let mut buffer = [0; 256];
    hash_cells(memory, &mut digest);
    for (log, floor) in (RECORD..).zip(floors(kind, memory)) {
        for number in floor..memory.next(log) {
            let length = memory.record(log, number, &mut buffer).map_or(0, |length| length);
            digest.write_u32(number);
            digest.write(&buffer[..length]);
        }
        digest.write_u32(memory.next(log));
    }
    Kept(digest.finish())
}

/// Size of the longest entry.
pub const LONG: usize = ENTRY_MAX;
/// Size of a short one.
pub const SHORT: usize = 2 * UNIT;
/// A key that every card has from its personalisation on.
const KEY: u8 = 40;

/// Moves the end of memory on by entries of these sizes without a change of state: the place in
/// its block, and what reclaiming is due, are part of every state's key. Long entries
/// repeat a key, since few items are quickly powered up; what they leave free, the registry.
pub fn age(kind: AppletKind, chip: Box<Chip>, sizes: impl IntoIterator<Item = usize>) -> Box<Chip> {
    let mut memory = Memory::open(Recorder::new(chip, false)).unwrap();
    for (log, floor) in (RECORD..).zip(floors(kind, &memory)) {
        memory.keep_from(log, floor);
    }
    for size in sizes {
        let entry = filler(&memory, size);
        if memory.commit(entry).is_err() {
            let short = filler(&memory, SHORT);
            if memory.commit(short).is_err() {
                break; // full: as old as it gets
            }
        }
        memory.housekeep().unwrap();
    }
    memory.into_platform().chip
}

/// An entry of this size that sets cells to what they are.
fn filler<P: Platform>(memory: &Memory<P>, size: usize) -> Change {
    let (mut change, mut left, mut value) = (Change::default(), size - HEADER, [0; 256]);
    for tag in [KEY, 0] {
        let Some(length) = memory.cell(tag, &mut value) else { continue };
        while left >= 2 + length {
            change.set(tag, &value[..length]);
            left -= 2 + length;
        }
    }
    change
}
