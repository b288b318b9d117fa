//! Formatting and power-up: what counts is decided from one reading, and the decision is
//! written down before anything is acted on. The module doc of `memory` has the argument.

use super::entry::{self, Entry, HEADER, Item, Opening};
use super::index::Index;
use super::lookup::LastFound;
use super::{Memory, MemoryError};
use crate::platform::{BLOCKS_MAX, Platform, UNIT};

/// How often power-up reads memory before it calls it damaged: a weak entry may read well
/// in one pass and not in the next.
const READINGS: usize = 8;

const LOST: MemoryError = MemoryError::Damaged("an entry is missing");
const MISSING: MemoryError = MemoryError::Damaged("a block is missing");
const UNSTEADY: MemoryError = MemoryError::Damaged("it does not read the same twice");

/// What power-up sees of a block first.
#[derive(Clone, Copy)]
struct Start {
    /// Its last opening, and where that is.
    opening: Option<(Opening, usize)>,
    /// Behind the last unit that did not read erased.
    touched: usize,
}

type Starts = [Start; BLOCKS_MAX];

/// An entry that has been read and is not yet known to count.
struct Pending {
    entry: Entry,
    number: u32,
    sequence: u32,
    at: usize,
}

/// What one reading has seen.
#[derive(Default)]
struct Scan {
    pending: Option<Pending>,
    /// Number of the last entry that counts.
    counted: Option<u32>,
    /// Where the last valid entry or seal ended.
    end: usize,
    /// Behind the last unit that did not read erased.
    touched: usize,
    /// Whether the last of them is a seal right behind its neighbour, which is therefore whole.
    proven: bool,
    /// Whether something valid stands behind the opening of the head block.
    opened: bool,
    /// Whether that opening repeats a number that is used: it was torn, or its command was.
    stale: bool,
}

impl<P: Platform> Memory<P> {
    fn bare(platform: P) -> Result<Self, MemoryError> {
        let blocks = platform.blocks();
        let (size, unit) = (platform.block_size(), UNIT);
        if !(4..=BLOCKS_MAX).contains(&blocks) || size < 1024 || !size.is_multiple_of(unit) {
            return Err(MemoryError::NotFormatted);
        }
        Ok(Self {
            platform,
            index: Index::new(),
            last_found: LastFound::default(),
            salt: 0,
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
        let mut salt = [0; 3];
        memory.platform.random(&mut salt);
        let [a, b, c] = salt;
        memory.salt = u32::from_be_bytes([0, a, b, c]);
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
        let mut read = memory.read();
        for _ in 1..READINGS {
            // Nothing has been written yet.
            let Err(MemoryError::Damaged(_) | MemoryError::NotFormatted) = read else { break };
            memory = Self::bare(memory.platform)?;
            read = memory.read();
        }
        let (scan, again) = read?;
        memory.settle(scan, again)?;
        if memory.erasing {
            memory.erase_oldest()?;
            memory.seal()?;
        }
        Ok(memory)
    }

    /// Reads all. Where the newest block holds nothing that was acted on, the one before is
    /// the head, and the newest must be opened again.
    fn read(&mut self) -> Result<(Scan, bool), MemoryError> {
        let starts: Starts = core::array::from_fn(|block| self.start_of(block));
        let openings = || starts.iter().filter_map(|start| start.opening).map(|(opening, _)| opening);
        let newest = openings().max_by_key(|opening| opening.sequence).ok_or(MemoryError::NotFormatted)?;
        self.salt = newest.salt;
        let mut scan = self.load(&starts, newest.sequence)?;
        let again = !scan.opened || scan.stale;
        if again && openings().count() == 1 {
            return Err(MemoryError::NotFormatted);
        }
        if again {
            scan = self.load(&starts, newest.sequence - 1)?;
            if !scan.opened || scan.stale {
                return Err(UNSTEADY);
            }
        }
        for sequence in self.head + 1..self.head + self.blocks() {
            let block = self.block_of(sequence);
            let touched = starts.get(block).map_or(0, |start| start.touched);
            if sequence <= self.clean {
                self.index.set_start(block, touched);
            }
        }
        let touched = starts.get(self.block_of(self.head)).map_or(0, |start| start.touched);
        scan.touched = scan.touched.max(touched);
        Ok((scan, again))
    }

    /// The last opening of a block. Before the first one stand only torn openings; behind it,
    /// entries are stepped over whole.
    fn start_of(&self, block: usize) -> Start {
        let (size, blocks) = (self.platform.block_size(), self.platform.blocks());
        let base = block * size;
        let mut start = Start { opening: None, touched: 0 };
        let mut at = 0;
        while block < blocks && at < size {
            let seed = start.opening.map(|(opening, _)| opening.seed());
            let entry = self.read_entry_in(base, seed, at);
            let opening = entry.as_ref().and_then(Entry::opening);
            if let Some(opening) = opening.filter(|opening| opening.sequence as usize % blocks == block) {
                start.opening = Some((opening, at));
            }
            let touched = entry.is_some() || self.is_touched(base + at);
            at += entry.map_or(UNIT, |entry| entry.size());
            if touched {
                start.touched = at;
            }
        }
        start
    }

    /// Whether a unit does not read erased.
    fn is_touched(&self, address: usize) -> bool {
        let mut unit = [0; UNIT];
        self.platform.read(address, &mut unit).is_err() || unit != [0xFF; UNIT]
    }

    /// Reads all blocks up to `head` into the index.
    fn load(&mut self, starts: &Starts, head: u32) -> Result<Scan, MemoryError> {
        self.head = head;
        self.tail = self.platform.block_size();
        // What the head says of clean and erasing, before the oldest is read.
        let mut scan = Scan::default();
        self.scan_block(starts, head, &mut scan)?;
        if !scan.opened {
            return Ok(scan);
        }
        let touched = scan.touched;
        let said = self.said_with(scan.pending.as_ref());
        (self.clean, self.erasing) = said;
        let oldest = self.oldest();

        self.index = Index::new();
        let mut scan = Scan::default();
        for sequence in oldest..=head {
            self.scan_block(starts, sequence, &mut scan)?;
        }
        if !scan.stale && self.said_with(scan.pending.as_ref()) != said {
            return Err(UNSTEADY);
        }
        scan.touched = scan.touched.max(touched);
        Ok(scan)
    }

    /// Greatest clean sequence, and whether a block is being erased, should `pending` count.
    fn said_with(&mut self, pending: Option<&Pending>) -> (u32, bool) {
        let before = (self.clean, self.erasing);
        if let Some(Pending { entry, sequence, .. }) = pending
            && *sequence == self.head
        {
            entry.items().for_each(|item| self.obey(entry, &item));
        }
        let said = (self.clean, self.erasing);
        (self.clean, self.erasing) = before;
        said
    }

    fn scan_block(&mut self, starts: &Starts, sequence: u32, scan: &mut Scan) -> Result<(), MemoryError> {
        let block = self.block_of(sequence);
        let start = starts.get(block).and_then(|start| start.opening);
        let start = start.filter(|(opening, _)| (opening.sequence, opening.salt) == (sequence, self.salt));
        let Some((_, start)) = start else { return Err(MISSING) };
        self.index.set_start(block, start);
        let mut at = start;
        (scan.end, scan.touched) = (at, at);
        while at < self.platform.block_size() {
            let Some(entry) = self.read_entry(sequence, at) else {
                if at == start {
                    // A weak opening has nothing behind it.
                    return if sequence == self.head { Ok(()) } else { Err(UNSTEADY) };
                }
                let touched = self.is_touched(self.base_of(sequence) + at);
                at += UNIT;
                if touched {
                    scan.touched = at;
                }
                continue;
            };
            let size = entry.size();
            scan.proven = entry.is_seal() && scan.end == at;
            scan.opened = sequence == self.head && at != start;
            self.meet(scan, entry, sequence, at)?;
            if scan.stale {
                return Ok(());
            }
            at += size;
            (scan.end, scan.touched) = (at, at);
        }
        Ok(())
    }

    /// Decides what the next entry says about those before it.
    fn meet(&mut self, scan: &mut Scan, entry: Entry, sequence: u32, at: usize) -> Result<(), MemoryError> {
        let pending = scan.pending.as_ref().map(|pending| pending.number);
        let opening = entry.opening();
        let number = match (opening, pending.or(scan.counted)) {
            (Some(opening), _) => opening.number,
            (None, Some(last)) => near(last, entry.number),
            (None, None) => return Err(LOST),
        };
        if entry.is_seal() {
            return self.meet_seal(scan, number);
        }
        let next = Pending { entry, number, sequence, at };
        let rescues = opening.is_some_and(|opening| opening.flags & entry::RESCUES != 0);
        let follows = |last: Option<u32>| last.is_some_and(|last| number == last + 1);
        if rescues && scan.counted == Some(number) {
            // The last entry follows again in this block.
            scan.pending = None;
            self.take(&next);
        } else if pending.or(scan.counted).is_none()
            || !rescues && (pending == Some(number) || follows(scan.counted))
        {
            // The first of all, or what has this number already was torn.
            scan.pending = Some(next);
        } else if !rescues && follows(pending) {
            self.count(scan);
            scan.pending = Some(next);
        } else if opening.is_none() && scan.counted == Some(number) {
            // The last entry again: what was torn behind it is void.
            scan.pending = None;
        } else if opening.is_some() && sequence == self.head && pending.or(scan.counted) >= Some(number) {
            scan.stale = true;
        } else {
            return Err(LOST);
        }
        Ok(())
    }

    /// A seal says which entry was the last; one more is void.
    fn meet_seal(&mut self, scan: &mut Scan, number: u32) -> Result<(), MemoryError> {
        if scan.pending.as_ref().is_some_and(|pending| pending.number == number) {
            self.count(scan);
        } else if scan.counted == Some(number) {
            scan.pending = None;
        } else {
            return Err(LOST);
        }
        Ok(())
    }

    /// The pending entry counts.
    fn count(&mut self, scan: &mut Scan) {
        let Some(pending) = scan.pending.take() else { return };
        scan.counted = Some(pending.number);
        self.take(&pending);
    }

    /// Takes an entry into the index, and follows what the head block says.
    fn take(&mut self, pending: &Pending) {
        let Pending { entry, number, sequence, at } = pending;
        let body = self.base_of(*sequence) + at + HEADER;
        let block = self.block_of(*sequence);
        for item in entry.items() {
            if *sequence == self.head {
                self.obey(entry, &item);
            }
            self.index.take(block, body, &item);
        }
        self.number = *number;
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
                    for (log, next) in opening.next.into_iter().enumerate() {
                        self.index.raise_next(log, next);
                    }
                }
            }
            _ => {}
        }
    }

    /// Writes down what counts, unless the end of the log proves itself: the last entry
    /// again, since it may be weak, and its seal; or two seals, the second one the first's proof.
    fn settle(&mut self, mut scan: Scan, again: bool) -> Result<(), MemoryError> {
        let free = self.first_free(self.head)?;
        self.tail = free.max(scan.touched + UNIT);
        if scan.proven && !again && self.tail == scan.end + UNIT {
            return Ok(());
        }
        match scan.pending.take() {
            Some(last) => self.write_again(last, again)?,
            None if again || self.tail + 2 * entry::SEAL_SIZE > self.platform.block_size() => {
                self.open_block(0)?;
            }
            None => self.seal()?,
        }
        self.seal()?;
        self.platform.sync().map_err(|error| self.fail(error))
    }

    /// Writes the last entry again; in a new block where it does not fit.
    fn write_again(&mut self, last: Pending, again: bool) -> Result<(), MemoryError> {
        let mut body = last.entry.to_body();
        let end = self.tail + entry::size(body.length()) + entry::SEAL_SIZE;
        if again || end > self.platform.block_size() {
            self.open_block(entry::RESCUES)?;
        }
        self.number = last.number;
        let (sequence, at) = (self.head, self.tail);
        self.burn(&mut body)?;
        self.take(&Pending { sequence, at, ..last });
        Ok(())
    }
}

/// The number with this low byte that is `last`, or one more or less.
const fn near(last: u32, low: u8) -> u32 {
    let behind = low.wrapping_sub(last.to_be_bytes()[3]);
    last.wrapping_add_signed(i8::from_be_bytes([behind]) as i32)
}
