//! Formatting and power-up.

use super::entry::{self, Entry, HEADER, Item, Opening};
use super::index::Index;
use super::{Memory, MemoryError};
use crate::platform::{BLOCKS_MAX, Platform, UNIT};

/// How often power-up reads memory before it calls it damaged.
const READINGS: usize = 4;

/// An entry that has been read and is not yet known to count.
struct Pending {
    entry: Entry,
    sequence: u32,
    at: usize,
}

/// What the scan has seen last.
#[derive(Default)]
struct Scan {
    pending: Option<Pending>,
    /// Number of the last entry that counts, low byte.
    number: Option<u8>,
    /// Whether the last valid entry was a seal right behind an intact neighbour.
    settled: bool,
    /// Where the last valid entry ended.
    end: usize,
}

impl<P: Platform> Memory<P> {
    fn bare(platform: P) -> Result<Self, MemoryError> {
        let blocks = platform.blocks();
        let (size, unit) = (platform.block_size(), UNIT);
        if !(4..=BLOCKS_MAX).contains(&blocks) || size < 512 || !size.is_multiple_of(unit) {
            return Err(MemoryError::NotFormatted);
        }
        Ok(Self {
            platform,
            index: Index::new(),
            head: 0,
            tail: 0,
            number: 0,
            clean: 0,
            erasing: false,
            cursor: 0,
            unsealed: false,
            unpaid: None,
            failed: false,
        })
    }

    /// Erases the whole chip and opens its first block. Whatever was there is lost.
    pub fn format(platform: P) -> Result<Self, MemoryError> {
        let mut memory = Self::bare(platform)?;
        for block in 0..memory.platform.blocks() {
            memory.platform.erase(block)?;
        }
        memory.head = memory.blocks();
        memory.clean = memory.head + memory.blocks() - 1;
        let mut opening = memory.opening(0);
        memory.program(&mut opening)?;
        memory.seal()?;
        memory.platform.sync()?;
        Ok(memory)
    }

    /// Opens what is on the chip: the last committed state, whatever was torn.
    pub fn open(platform: P) -> Result<Self, MemoryError> {
        let mut memory = Self::bare(platform)?;
        for _ in 1..READINGS {
            match memory.recover() {
                // Refused before anything was written: a weak entry may read otherwise now.
                Err(MemoryError::Damaged(_) | MemoryError::NotFormatted) => {
                    memory = Self::bare(memory.platform)?
                }
                other => return other.map(|()| memory),
            }
        }
        memory.recover().map(|()| memory)
    }

    /// Reads all, and ends with two intact neighbours.
    fn recover(&mut self) -> Result<(), MemoryError> {
        let newest = self.newest().ok_or(MemoryError::NotFormatted)?;
        let scan = match self.load(newest) {
            // The newest opening does not go on from the block before: it was torn, and
            // that block is still the head.
            Err(MemoryError::Damaged(_)) if self.opening_is_void(newest) => {
                self.index = Index::new();
                self.load(newest - 1)?
            }
            other => other?,
        };
        self.settle(scan)?;
        if self.erasing {
            self.erase_oldest()?;
            self.seal()?;
        }
        Ok(())
    }

    /// Greatest sequence of a block that has been opened.
    fn newest(&self) -> Option<u32> {
        (0..self.platform.blocks())
            .filter_map(|block| self.opening_of(block))
            .map(|(opening, _)| opening.sequence)
            .max()
    }

    /// The last valid opening of a block, and its place: an earlier one was torn or has
    /// been copied. Openings stand before all other entries.
    fn opening_of(&self, block: usize) -> Option<(Opening, usize)> {
        let base = block * self.platform.block_size();
        let mut found: Option<(Opening, usize)> = None;
        let mut at = 0;
        while at < self.platform.block_size() {
            let opening = self.read_entry_in(base, None, at).and_then(|entry| entry.opening());
            if let Some(opening) = opening.filter(|o| o.sequence as usize % self.platform.blocks() == block) {
                found = Some((opening, at));
            } else if let Some((opening, _)) = found {
                let other = self.read_entry_in(base, Some(opening.sequence), at);
                if other.is_some_and(|entry| !entry.is_seal()) {
                    break;
                }
            }
            at += UNIT;
        }
        found
    }

    /// Whether the opening of the newest block repeats a number that the block before
    /// has used: then it was torn and only now reads as valid.
    fn opening_is_void(&self, newest: u32) -> bool {
        let opening = |sequence| self.opening_of(self.block_of(sequence)).map(|(opening, _)| opening);
        let (Some(opening), Some(before)) = (opening(newest), opening(newest.saturating_sub(1))) else {
            return false;
        };
        let mut last = before.number;
        self.walk_entries(before.sequence, &mut |entry, _| {
            if entry.number.wrapping_sub(last.to_be_bytes()[3]) == 1 {
                last += 1;
            }
        });
        opening.number <= last
    }

    /// Calls `visit` for each valid entry of a block, from its last opening on.
    fn walk_entries(&self, sequence: u32, visit: &mut dyn FnMut(Entry, usize)) {
        let Some((_, mut at)) = self.opening_of(self.block_of(sequence)) else { return };
        while at < self.platform.block_size() {
            match self.read_entry(Some(sequence), at) {
                Some(entry) => {
                    let size = entry.size();
                    visit(entry, at);
                    at += size;
                }
                None => at += UNIT,
            }
        }
    }

    /// Reads all blocks up to `newest` into the index.
    fn load(&mut self, newest: u32) -> Result<Scan, MemoryError> {
        let (opening, _) = self.opening_of(self.block_of(newest)).ok_or(MemoryError::NotFormatted)?;
        if opening.sequence != newest {
            return Err(MemoryError::Damaged("the block before the newest is missing"));
        }
        self.head = newest;
        self.tail = self.platform.block_size();
        // What the newest block says of clean and erasing, before the oldest is read.
        let mut scan = Scan::default();
        self.scan_block(newest, &mut scan)?;
        self.count(&mut scan);

        self.index = Index::new();
        self.number = opening.number;
        for (log, next) in opening.next.into_iter().enumerate() {
            self.index.raise_next(log, next);
        }
        let mut scan = Scan::default();
        for sequence in self.oldest()..=newest {
            let opening = self.opening_of(self.block_of(sequence));
            if opening.is_none_or(|(opening, _)| opening.sequence != sequence) {
                return Err(MemoryError::Damaged("a block is missing"));
            }
            self.scan_block(sequence, &mut scan)?;
        }
        self.count(&mut scan);
        Ok(scan)
    }

    fn scan_block(&mut self, sequence: u32, scan: &mut Scan) -> Result<(), MemoryError> {
        let mut at = self.opening_of(self.block_of(sequence)).map_or(0, |(_, at)| at);
        scan.end = at;
        while at < self.platform.block_size() {
            let Some(entry) = self.read_entry(Some(sequence), at) else {
                at += UNIT;
                continue;
            };
            let size = entry.size();
            scan.settled = entry.is_seal() && scan.end == at;
            self.meet(scan, Pending { entry, sequence, at })?;
            at += size;
            scan.end = at;
        }
        Ok(())
    }

    /// Decides on the pending entry, now that the next one is seen.
    fn meet(&mut self, scan: &mut Scan, next: Pending) -> Result<(), MemoryError> {
        const LOST: MemoryError = MemoryError::Damaged("an entry is missing");
        let number = next.entry.number;
        let pending = scan.pending.as_ref().map(|pending| pending.entry.number);
        if next.entry.is_seal() {
            match pending {
                Some(pending) if pending == number => self.count(scan),
                // A seal of the number before: the pending entry was torn.
                Some(pending) if pending == number.wrapping_add(1) => scan.pending = None,
                None if scan.number == Some(number) => {}
                _ => return Err(LOST),
            }
            return Ok(());
        }
        if pending.is_none() && scan.number == Some(number) && next.entry.opening().is_none() {
            // Its seal was weak and not seen at a power-up, so it was written again.
            self.take_copy(&next);
            return Ok(());
        }
        let follows = pending.or(scan.number).is_none_or(|last| number == last.wrapping_add(1));
        // A copy, or the commit that took the place of a torn one. An opening does that
        // only where it says so: a torn opening may read as valid again much later.
        let voids = next.entry.opening().is_none_or(|opening| opening.flags & entry::VOIDS != 0);
        let same_block = scan.pending.as_ref().is_some_and(|pending| pending.sequence == next.sequence);
        let repeats = pending == Some(number) && (voids || same_block);
        if !repeats && !follows {
            return Err(LOST);
        }
        if !repeats {
            self.count(scan);
        }
        scan.pending = Some(next);
        Ok(())
    }

    /// Takes an entry into the index that has counted before: its ticks count once.
    fn take_copy(&mut self, copy: &Pending) {
        let body = self.base_of(copy.sequence) + copy.at + HEADER;
        let block = self.block_of(copy.sequence);
        let items = copy.entry.items().filter(|item| item.counter().is_none());
        items.for_each(|item| self.index.take(block, body, &item));
    }

    /// Takes the pending entry into the index.
    fn count(&mut self, scan: &mut Scan) {
        let Some(Pending { entry, sequence, at }) = scan.pending.take() else { return };
        let body = self.base_of(sequence) + at + HEADER;
        let block = self.block_of(sequence);
        for item in entry.items() {
            if sequence == self.head {
                self.obey(&entry, &item);
            }
            self.index.take(block, body, &item);
        }
        let behind = entry.number.wrapping_sub(self.number.to_be_bytes()[3]);
        if sequence == self.head {
            self.number += u32::from(behind);
        }
        scan.number = Some(entry.number);
    }

    /// Follows what the head block says of clean and erasing.
    fn obey(&mut self, entry: &Entry, item: &Item) {
        match item.tag {
            entry::ERASING => self.erasing = true,
            entry::CLEAN => {
                self.clean += 1;
                self.erasing = false;
            }
            entry::OPENING => {
                if let Some(opening) = entry.opening() {
                    self.clean = opening.clean;
                    self.erasing = opening.flags & entry::ERASES != 0;
                }
            }
            _ => {}
        }
    }

    /// Ends power-up with two intact neighbours, the last one a seal.
    fn settle(&mut self, scan: Scan) -> Result<(), MemoryError> {
        let free = self.first_free(self.head)?;
        // An entry may end in bytes that read erased.
        let nothing_follows = free <= scan.end + UNIT;
        self.tail = free.max(scan.end + UNIT);
        if scan.settled && nothing_follows {
            return Ok(());
        }
        if nothing_follows {
            self.write_last_again(scan.end)?;
        } else {
            self.seal()?;
        }
        self.seal()?;
        self.platform.sync().map_err(|error| self.fail(error))
    }

    /// Writes the entry that ends at `end` again, since it may be weak; a weak seal is
    /// replaced by a seal.
    fn write_last_again(&mut self, end: usize) -> Result<(), MemoryError> {
        let mut last = None;
        self.walk_entries(self.head, &mut |entry, at| {
            if at + entry.size() == end {
                last = Some(entry);
            }
        });
        let last = last.ok_or(MemoryError::Damaged("the last entry cannot be read twice"))?;
        let mut body = last.to_body();
        if self.tail + entry::size(body.length()) > self.platform.block_size() {
            // Many power cuts in a row have used up the reserve of this block.
            return self.open_block(0);
        }
        let at = self.burn(&mut body)?;
        let block = self.block_of(self.head);
        // A tick has been counted already.
        let items = body.items().filter(|item| item.counter().is_none());
        items.for_each(|item| self.index.take(block, at, &item));
        Ok(())
    }
}
