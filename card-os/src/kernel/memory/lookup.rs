//! Finding a record: choose the block, walk to the entry.
//!
//! Records are mostly asked for in rising order (a batch is read out, receipts are taken
//! over), so that of each log the last place is remembered and the walk goes on from there.

use core::cell::Cell;

use super::Memory;
use super::index::{LOGS, Place, log_of};
use crate::platform::Platform;

/// Where a record of a log was found last.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    number: u32,
    /// Sequence of its block: a block that has been erased since has another.
    sequence: u32,
    /// Its entry, within the block.
    entry: usize,
}

/// The last place of each log. It saves walking and decides nothing.
#[derive(Debug, Default)]
pub(super) struct LastFound([Cell<Found>; LOGS]);

impl LastFound {
    /// Where to begin looking in this block, if not at its start.
    fn before(&self, sequence: u32, tag: u8, number: u32) -> Option<usize> {
        let found = self.0.get(log_of(tag))?.get();
        (found.sequence == sequence && found.number <= number).then_some(found.entry)
    }

    fn remember(&self, tag: u8, found: Found) {
        if let Some(last) = self.0.get(log_of(tag)) {
            last.set(found);
        }
    }
}

impl<P: Platform> Memory<P> {
    /// Copies a record into `buffer`; its length, or nothing where it does not exist.
    pub fn record(&self, tag: u8, number: u32, buffer: &mut [u8]) -> Option<usize> {
        let written = number < self.next(tag);
        let place = self.find(tag, number, self.oldest()).filter(|_| written)?;
        self.read_value(place, buffer)
    }

    /// The last place of a record, in the blocks from `oldest` on.
    pub(super) fn find(&self, tag: u8, number: u32, oldest: u32) -> Option<Place> {
        (oldest..=self.head).rev().find_map(|sequence| self.find_in(sequence, tag, number))
    }

    /// The place of a record in one block. A block holds a record once: copies go into a
    /// later block, and what was torn does not count.
    fn find_in(&self, sequence: u32, tag: u8, number: u32) -> Option<Place> {
        let block = self.block_of(sequence);
        if !self.index.may_hold(block, tag, number) {
            return None;
        }
        // A copy may stand behind records with higher numbers, hence the second try.
        let before = self.last_found.before(sequence, tag, number);
        let near = before.and_then(|entry| self.seek(sequence, entry, tag, number));
        near.or_else(|| self.seek(sequence, self.index.start(block), tag, number))
    }

    /// Walks from the entry at `from` to the record.
    fn seek(&self, sequence: u32, from: usize, tag: u8, number: u32) -> Option<Place> {
        let mut place = None;
        let entry = self.walk_from(sequence, from, &mut |item| {
            if item.tag == tag && item.number == number {
                place = Some(item.place);
            }
            place.is_none()
        });
        if place.is_some() {
            self.last_found.remember(tag, Found { number, sequence, entry });
        }
        place
    }
}
