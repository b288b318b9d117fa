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
#[derive(Clone, Copy)]
struct Pending {
    /// Which of the entries of the scan.
    slot: usize,
    number: u32,
    sequence: u32,
    at: usize,
    /// Whether it has seemed to count before, and follows again: it is in the index.
    taken: bool,
}

/// What one reading has seen.
struct Scan {
    /// The pending entry, its copy, and the next one, in turn: none is moved.
    entries: [Entry; 3],
    pending: Option<Pending>,
    /// The pending entry again, as a power-up has written it. Where its seal is right behind, it
    /// is whole and the first one may be weak; else it was torn, and the first one is whole.
    copy: Option<Pending>,
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
    /// Whether that opening repeats a number that is used, or another is behind it: one was torn.
    stale: bool,
    /// Number of the entry that has seemed to count, and follows again in the next block.
    follows_again: Option<u32>,
}

impl Scan {
    const fn new() -> Self {
        Self {
            entries: [const { Entry::none() }; 3],
            pending: None,
            copy: None,
            counted: None,
            end: 0,
            touched: 0,
            proven: false,
            opened: false,
            stale: false,
            follows_again: None,
        }
    }

    /// What was pending is not any more; this is.
    const fn wait_for(&mut self, pending: Option<Pending>) {
        (self.pending, self.copy) = (pending, None);
    }

    /// Where the next entry is read.
    fn free(&self) -> usize {
        let taken = [self.pending, self.copy].map(|taken| taken.map(|taken| taken.slot));
        (0..).find(|slot| !taken.contains(&Some(*slot))).unwrap_or(0)
    }
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
        memory.settle(&scan, again)?;
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

    /// The last opening of a block, and how far the block was touched. Openings are looked for
    /// at every unit: within another entry none can stand, since nobody knows the salt.
    fn start_of(&self, block: usize) -> Start {
        let (size, blocks) = (self.platform.block_size(), self.platform.blocks());
        let base = block * size;
        let mut start = Start { opening: None, touched: 0 };
        if block >= blocks {
            return start;
        }
        // Read twice here, and once more before it is written to: a weak unit may read erased.
        let touched = || self.touched(base).unwrap_or(size);
        start.touched = touched().max(touched());
        let mut at = 0;
        while at < start.touched {
            let mut first = [0; UNIT];
            let read = self.platform.read(base + at, &mut first);
            let may_open = read.is_ok() && Entry::may_open(first);
            let seed = start.opening.map(|(opening, _)| opening.seed());
            let entry = if may_open { self.read_entry_in(base, seed, at) } else { None };
            let opening = entry.as_ref().and_then(Entry::opening);
            if let Some(opening) = opening.filter(|opening| opening.sequence as usize % blocks == block) {
                start.opening = Some((opening, at));
            }
            at += entry.map_or(UNIT, |entry| entry.size());
            start.touched = start.touched.max(at);
        }
        start
    }

    /// Reads all blocks up to `head` into the index.
    fn load(&mut self, starts: &Starts, head: u32) -> Result<Scan, MemoryError> {
        self.head = head;
        self.tail = self.platform.block_size();
        // What the head says of clean and erasing, before the oldest is read.
        let mut scan = Scan::new();
        self.scan_block(starts, head, &mut scan)?;
        if !scan.opened {
            return Ok(scan);
        }
        let touched = scan.touched;
        let said = self.said_with(&scan);
        (self.clean, self.erasing) = said;
        let oldest = self.oldest();

        self.index = Index::new();
        let mut scan = Scan::new();
        for sequence in oldest..=head {
            self.scan_block(starts, sequence, &mut scan)?;
        }
        if !scan.stale && self.said_with(&scan) != said {
            return Err(UNSTEADY);
        }
        scan.touched = scan.touched.max(touched);
        Ok(scan)
    }

    /// Greatest clean sequence, and whether a block is being erased, should the pending entry
    /// count.
    fn said_with(&mut self, scan: &Scan) -> (u32, bool) {
        let before = (self.clean, self.erasing);
        if let Some(Pending { slot, sequence, .. }) = scan.pending
            && sequence == self.head
            && let Some(entry) = scan.entries.get(slot)
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
        let (base, seed) = (self.base_of(sequence), Some(self.seed(sequence)));
        let mut at = start;
        (scan.end, scan.touched) = (at, at);
        while at < self.platform.block_size() {
            let free = scan.free();
            let valid =
                scan.entries.get_mut(free).is_some_and(|slot| slot.load(&self.platform, base, seed, at));
            if !valid {
                if at == start {
                    // A weak opening has nothing behind it.
                    return if sequence == self.head { Ok(()) } else { Err(UNSTEADY) };
                }
                let erased = self.erased(base, at);
                at += erased.max(UNIT);
                if erased == 0 {
                    scan.touched = at;
                }
                continue;
            }
            let (size, is_seal) =
                scan.entries.get(free).map_or((UNIT, false), |entry| (entry.size(), entry.is_seal()));
            scan.proven = is_seal && scan.end == at;
            scan.opened = sequence == self.head && at != start;
            self.meet(scan, free, sequence, at)?;
            if scan.stale {
                return Ok(());
            }
            at += size;
            (scan.end, scan.touched) = (at, at);
        }
        Ok(())
    }

    /// How many bytes from here on read erased: a piece where that can be seen at once.
    fn erased(&self, base: usize, at: usize) -> usize {
        const PIECE: [u8; 16 * UNIT] = [0xFF; 16 * UNIT];
        let erased = |length: usize| {
            let mut bytes = [0; PIECE.len()];
            let bytes = bytes.get_mut(..length).unwrap_or_default();
            self.platform.read(base + at, bytes).is_ok() && PIECE.starts_with(bytes)
        };
        let left = self.platform.block_size() - at;
        [PIECE.len().min(left), UNIT].into_iter().find(|length| erased(*length)).unwrap_or(0)
    }

    /// Decides what the next entry, in this slot, says about those before it.
    fn meet(&mut self, scan: &mut Scan, slot: usize, sequence: u32, at: usize) -> Result<(), MemoryError> {
        let Some(entry) = scan.entries.get(slot) else { return Err(LOST) };
        let pending = scan.pending.map(|pending| pending.number);
        let opening = entry.opening();
        let number = match (opening, pending.or(scan.counted)) {
            (Some(opening), _) => opening.number,
            (None, Some(last)) => near(last, entry.number),
            (None, None) => return Err(LOST),
        };
        if entry.is_seal() {
            return self.meet_seal(scan, number, at);
        }
        let next = Pending { slot, number, sequence, at, taken: scan.follows_again == Some(number) };
        let rescues = opening.is_some_and(|opening| opening.flags & entry::RESCUES != 0);
        let follows = |last: Option<u32>| last.is_some_and(|last| number == last + 1);
        let repeats = scan.counted == number.checked_add(1);
        if opening.is_some() && scan.opened {
            // Not seen at first: it is weak, and so nothing is behind it yet.
            scan.stale = true;
        } else if rescues && (pending == Some(number) || scan.counted == Some(number) || repeats) {
            self.rescue(scan, next, repeats);
        } else if opening.is_none() && pending == Some(number) {
            scan.copy = Some(next);
        } else if pending.or(scan.counted).is_none()
            || !rescues && (pending == Some(number) || follows(scan.counted))
        {
            // The first of all, or what has this number already was torn.
            scan.wait_for(Some(next));
        } else if !rescues && follows(pending) {
            scan.copy = None;
            self.count(scan);
            scan.wait_for(Some(next));
        } else if opening.is_none() && scan.counted == Some(number) {
            // The last entry again: what was torn behind it is void.
            scan.wait_for(None);
        } else if opening.is_some() && sequence == self.head && pending.or(scan.counted) >= Some(number) {
            scan.stale = true;
        } else {
            return Err(LOST);
        }
        Ok(())
    }

    /// An opening says that all up to its number count, and that the entry after that follows
    /// again. Where something weak behind that entry reads well, it seems to count already, but
    /// does so only here, where it is written again should it be torn; where something weak is
    /// not there this time, the one of the opening's number seems not to.
    fn rescue(&mut self, scan: &mut Scan, opening: Pending, repeats: bool) {
        if scan.pending.is_some_and(|pending| pending.number == opening.number) {
            scan.copy = None;
            self.count(scan);
        }
        scan.wait_for(None);
        scan.follows_again = scan.counted.filter(|_| repeats);
        scan.counted = Some(opening.number);
        if let Some(entry) = scan.entries.get(opening.slot) {
            self.take(opening, entry);
        }
    }

    /// A seal says which entry was the last; one more is void.
    fn meet_seal(&mut self, scan: &mut Scan, number: u32, at: usize) -> Result<(), MemoryError> {
        // A copy's own seal stands right behind it; any other says nothing of it.
        scan.copy.take_if(|_| scan.end != at);
        if scan.pending.is_some_and(|pending| pending.number == number) {
            self.count(scan);
        } else if scan.counted == Some(number) {
            scan.wait_for(None);
        } else {
            return Err(LOST);
        }
        Ok(())
    }

    /// The pending entry counts, in its copy where there is one.
    fn count(&mut self, scan: &mut Scan) {
        let Some(pending) = scan.copy.or(scan.pending) else { return };
        scan.wait_for(None);
        scan.counted = Some(pending.number);
        if let Some(entry) = scan.entries.get(pending.slot) {
            self.take(pending, entry);
        }
    }

    /// Takes an entry into the index, and follows what the head block says. What one that was
    /// taken counts up has been counted.
    fn take(&mut self, pending: Pending, entry: &Entry) {
        let Pending { number, sequence, at, taken, .. } = pending;
        let body = self.base_of(sequence) + at + HEADER;
        let block = self.block_of(sequence);
        for item in entry.items() {
            if sequence == self.head {
                self.obey(entry, &item);
            }
            if !taken || item.counter().is_none() {
                self.index.take(block, body, &item);
            }
        }
        self.number = number;
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
    fn settle(&mut self, scan: &Scan, again: bool) -> Result<(), MemoryError> {
        let free = self.first_free(self.head)?;
        self.tail = free.max(scan.touched + UNIT);
        if scan.proven && !again && self.tail == scan.end + UNIT {
            return Ok(());
        }
        match scan.pending.and_then(|last| Some((last, scan.entries.get(last.slot)?))) {
            Some((last, entry)) => self.write_again(last, entry, again)?,
            None if again || self.tail + 2 * entry::SEAL_SIZE > self.platform.block_size() => {
                self.open_block(0)?;
            }
            None => self.seal()?,
        }
        self.seal()?;
        self.platform.sync().map_err(|error| self.fail(error))
    }

    /// Writes the last entry again; in a new block where it does not fit.
    fn write_again(&mut self, last: Pending, entry: &Entry, again: bool) -> Result<(), MemoryError> {
        let mut body = entry.to_body();
        let end = self.tail + entry::size(body.length()) + entry::SEAL_SIZE;
        if again || end > self.platform.block_size() {
            self.open_block(entry::RESCUES)?;
        }
        self.number = last.number;
        let (sequence, at) = (self.head, self.tail);
        self.burn(&mut body)?;
        self.take(Pending { sequence, at, ..last }, entry);
        Ok(())
    }
}

/// The number with this low byte that is `last`, or one more or less.
const fn near(last: u32, low: u8) -> u32 {
    let behind = low.wrapping_sub(last.to_be_bytes()[3]);
    last.wrapping_add_signed(i8::from_be_bytes([behind]) as i32)
}
