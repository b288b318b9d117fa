//! Reclaiming: making the oldest block the next clean one, a few items at a time.

use core::ops::{Range, RangeInclusive};

use super::entry::{self, Body, ENTRY_MAX, Entry, HEADER, Item};
use super::index::Place;
use super::{Memory, MemoryError};
use crate::platform::{Platform, UNIT};

/// Live items copied after one answer, at most.
pub(super) const ITEMS_PER_ANSWER: usize = 4;

/// Bytes of an opening.
pub(super) const OPENING_SIZE: usize = entry::size(2 + entry::OPENING_LENGTH);

/// Bytes at the end of a block that are left to the seals of recoveries.
pub(super) const RESERVE: usize = 6 * UNIT;

/// Bytes that a power-up takes besides a copy of the last entry: a unit on either side, since
/// a torn write may have touched it, and two seals.
pub(super) const SETTLING: usize = 4 * UNIT;

impl<P: Platform> Memory<P> {
    /// Calls `visit` for each item of a block; item places are addresses on the chip.
    pub(super) fn walk(&self, sequence: u32, visit: &mut dyn FnMut(&Item)) {
        self.walk_from(sequence, self.index.start(self.block_of(sequence)), &mut |item| {
            visit(item);
            true
        });
    }

    /// The same from the entry at `from` on, until `visit` answers false; the place of the
    /// entry where the walk ended. What was torn is passed over, also where it reads well.
    pub(super) fn walk_from(
        &self,
        sequence: u32,
        from: usize,
        visit: &mut dyn FnMut(&Item) -> bool,
    ) -> usize {
        let end = if sequence == self.head { self.tail } else { self.platform.block_size() };
        let mut pending: Option<(Entry, usize)> = None;
        let mut copy = None;
        let mut at = from;
        while at < end {
            let Some(entry) = self.read_entry(sequence, at) else {
                at += UNIT;
                continue;
            };
            let place = at;
            at += entry.size();
            if pending.as_ref().is_some_and(|(last, _)| entry.copies(last)) {
                copy = Some((entry, place));
                continue;
            }
            let sealed = |copy: &(Entry, usize)| entry.is_seal() && copy.1 + copy.0.size() == place;
            let copied = copy.take().filter(sealed);
            let last = pending.take().filter(|(last, _)| entry.counts(last));
            if let Some(last) = last
                && let (last, place) = copied.unwrap_or(last)
                && !self.visit_entry(sequence, &last, place, visit)
            {
                return place;
            }
            if !entry.is_seal() {
                pending = Some((entry, place));
            }
        }
        match pending {
            Some((last, place))
                if self.ends_with(sequence, &last) && !self.visit_entry(sequence, &last, place, visit) =>
            {
                place
            }
            _ => at,
        }
    }

    /// Shows the items of an entry until `visit` answers false.
    fn visit_entry(
        &self,
        sequence: u32,
        entry: &Entry,
        at: usize,
        visit: &mut dyn FnMut(&Item) -> bool,
    ) -> bool {
        let body = u32::try_from(self.base_of(sequence) + at + HEADER).unwrap_or(u32::MAX);
        entry.items().all(|mut item| {
            item.place.address += body;
            visit(&item)
        })
    }

    /// Whether the last entry of a block counts: it is the last of all, or the next block
    /// goes on from it.
    fn ends_with(&self, sequence: u32, last: &Entry) -> bool {
        if sequence == self.head {
            return last.number == self.number.to_be_bytes()[3];
        }
        let next = sequence + 1;
        let opening = self.read_entry(next, self.index.start(self.block_of(next)));
        opening.is_none_or(|opening| opening.counts(last) || opening.rescues(last))
    }

    /// The valid entry at a place of a block.
    pub(super) fn read_entry(&self, sequence: u32, at: usize) -> Option<Entry> {
        self.read_entry_in(self.base_of(sequence), Some(self.seed(sequence)), at)
    }

    /// The valid entry at a place of the block that begins at `base`.
    pub(super) fn read_entry_in(&self, base: usize, seed: Option<u32>, at: usize) -> Option<Entry> {
        Entry::read(&self.platform, base, seed, at)
    }

    /// Bytes that the live items of these blocks would take as entries of their own.
    pub(super) fn live_bytes(&self, sequences: RangeInclusive<u32>) -> usize {
        sequences.map(|sequence| self.live(sequence).0).sum()
    }

    /// The same of one block, and the largest of them. A walk, where the block holds records
    /// that are wanted. What has been copied already takes its room elsewhere: a cut in
    /// reclaiming must leave enough to go on.
    fn live(&self, sequence: u32) -> (usize, usize) {
        let (mut all, mut largest) = (0, 0);
        let mut add = |length: u8| {
            let size = entry::size(6 + usize::from(length));
            (all, largest) = (all + size, largest.max(size));
        };
        self.index.cells_at(self.addresses(sequence)).for_each(|(_, cell)| add(cell.place.length));
        if self.index.wanted_in(self.block_of(sequence)).next().is_some() {
            self.walk(sequence, &mut |item| {
                if self.is_live(sequence, item) {
                    add(item.place.length);
                }
            });
        }
        (all, largest)
    }

    /// Where a block lies on the chip.
    fn addresses(&self, sequence: u32) -> Range<usize> {
        let base = self.base_of(sequence);
        base..base + self.platform.block_size()
    }

    /// Whether the oldest block is mostly dead. Where it is not, it is asked again when the
    /// head has moved on.
    pub(super) fn reclaim_pays(&mut self) -> bool {
        let (oldest, now) = (self.oldest(), Some((self.oldest(), self.head)));
        if self.erasing {
            return true;
        }
        if self.unpaid == now {
            return false;
        }
        let pays = self.live_bytes(oldest..=oldest) <= self.usable() / 2;
        self.unpaid = if pays { None } else { now };
        pays
    }

    /// Whether the live items of the oldest block find room in `bytes`.
    pub(super) fn oldest_fits(&self, bytes: usize) -> bool {
        let oldest = self.oldest();
        oldest >= self.head || self.live_bytes(oldest..=oldest) + 2 * OPENING_SIZE <= bytes
    }

    /// Whether they find room now, to the last unit and the block that is kept back included:
    /// power-ups that were torn may have used up what was left for this.
    pub(super) fn can_reclaim(&self) -> bool {
        let oldest = self.oldest();
        if self.erasing || oldest >= self.head {
            return true;
        }
        let (bytes, largest) = self.live(oldest);
        let behind = |from| self.platform.block_size().saturating_sub(from + RESERVE + 2 * largest);
        let clean = self.clean.saturating_sub(self.head) as usize;
        bytes + SETTLING <= behind(self.tail) + clean * behind(OPENING_SIZE)
    }

    /// Copies at most `limit` live items of the oldest block to the end; when none is
    /// left, erases it.
    pub(super) fn reclaim(&mut self, limit: usize) -> Result<(), MemoryError> {
        if self.erasing {
            return self.erase_oldest();
        }
        if self.oldest() >= self.head {
            return Ok(());
        }
        let mut left = limit;
        while left > 0 {
            let copied = match self.next_live() {
                Some(item) if item.is_cell() => self.copy_cells(left)?,
                Some(item) => self.copy(&item)?,
                None => {
                    let mut body = Body::default();
                    body.put(entry::ERASING, &[], &[]);
                    self.write(&mut body)?;
                    self.erasing = true;
                    return self.erase_oldest();
                }
            };
            left = left.saturating_sub(copied);
        }
        Ok(())
    }

    /// An item of the oldest block that must be copied before the block is erased: a cell
    /// whose last value is here, or a wanted record that is nowhere else.
    fn next_live(&mut self) -> Option<Item> {
        let oldest = self.oldest();
        if let Some((tag, cell)) = self.index.cells_at(self.addresses(oldest)).next() {
            return Some(Item { tag, number: 0, place: cell.place });
        }
        self.index.wanted_in(self.block_of(oldest)).next()?;
        let mut found = None;
        let from = self.cursor.max(self.index.start(self.block_of(oldest)));
        self.cursor = self.walk_from(oldest, from, &mut |item| {
            if self.is_live(oldest, item) {
                found = Some(*item);
            }
            found.is_none()
        });
        found
    }

    /// Whether an item of a block is a wanted record that has no copy in a later one.
    fn is_live(&self, sequence: u32, item: &Item) -> bool {
        item.is_record()
            && self.index.is_wanted(item.tag, item.number)
            && self.find(item.tag, item.number, sequence) == Some(item.place)
    }

    /// Copies a record; one item.
    fn copy(&mut self, item: &Item) -> Result<usize, MemoryError> {
        let mut body = Body::default();
        self.put_value(&mut body, item.tag, &item.number.to_be_bytes(), item.place, 0)?;
        self.write(&mut body)?;
        Ok(1)
    }

    /// Copies cells of the oldest block, as many as one entry takes without opening a block for
    /// it, so that they need no more room than by themselves; how many.
    fn copy_cells(&mut self, limit: usize) -> Result<usize, MemoryError> {
        let addresses = self.addresses(self.oldest());
        let cells = self.index.cells_at(addresses).take(limit.min(ITEMS_PER_ANSWER));
        let cells: heapless::Vec<_, ITEMS_PER_ANSWER> = cells.collect();
        let (mut body, mut copied) = (Body::default(), 0);
        for (tag, cell) in cells {
            let size = entry::size(body.length() + 2 + usize::from(cell.place.length));
            let fits = size <= ENTRY_MAX && self.tail + 2 * size + RESERVE <= self.platform.block_size();
            if copied > 0 && !fits {
                break;
            }
            // The copy has counted; ticks before it are dead.
            self.put_value(&mut body, tag, &[], cell.place, cell.ticks)?;
            copied += 1;
        }
        self.write(&mut body)?;
        Ok(copied)
    }

    fn put_value(
        &self,
        body: &mut Body,
        tag: u8,
        number: &[u8],
        place: Place,
        ticks: u32,
    ) -> Result<(), MemoryError> {
        let mut value = [0; entry::BODY_MAX];
        let value = value.get_mut(..usize::from(place.length)).ok_or(MemoryError::TooLong)?;
        self.platform.read(place.address as usize, value)?;
        super::count_up(value, ticks);
        body.put(tag, number, value);
        zeroize::Zeroize::zeroize(value);
        Ok(())
    }

    /// Erases the block that a commit has given up, and commits that it is clean.
    pub(super) fn erase_oldest(&mut self) -> Result<(), MemoryError> {
        self.platform.sync().map_err(|error| self.fail(error))?;
        let sequence = self.clean + 1;
        let block = self.block_of(sequence);
        self.platform.erase(block).map_err(|error| self.fail(error))?;
        self.index.clear_block(block);
        let mut body = Body::default();
        body.put(entry::CLEAN, &[], &[]);
        self.write(&mut body)?;
        self.clean = sequence;
        self.erasing = false;
        self.cursor = 0;
        self.platform.sync().map_err(|error| self.fail(error))
    }
}
