//! Memory that survives a loss of power at any byte.
//!
//! # Definitions
//!
//! A **cell** is a small value under a tag; the last one written wins. A **counter** is a
//! cell that is also counted up; it is a number, big endian. A **record**
//! has a log and a number; numbers of a log start at 1 and have no gaps. A
//! **commit** updates cells and appends records, all or nothing.
//!
//! # Assumptions about the chip
//!
//! It programs the units of one call in rising order; when power fails, units
//! before the one in progress are good, units after it are untouched, and the one
//! in progress may read as anything, differently each time (a *weak* unit). An
//! erasure that is interrupted leaves its block in any state. A program or erase
//! call that returned is permanent once `sync` has returned. A unit that reads erased each
//! of the three times that a power-up reads it is erased; no memory can tell one that is not
//! from one that was never touched.
//!
//! # Implementation
//!
//! Memory is a ring of erase blocks, opened in turn: the block of **sequence** `s` is
//! block `s mod n`, so that wear is even and the erase count of a block is `s / n`. A
//! block begins with an **opening** entry, and one commit is one **entry** ([`entry`]):
//! length, number, checksum over seed, place and body. Numbers rise by one from
//! entry to entry. A **seal** behind an entry repeats its number; it is written by the
//! same power as the entry, so that a seal right behind an entry proves that one whole.
//!
//! *Reading* (`recovery`): entries are taken in order; an entry **counts** when the next number
//! follows, or its seal. An entry of the number that is still pending is a copy of it, and is
//! read in its place where a seal is right behind. A seal of
//! the number that has counted, or an entry of that number, voids what is pending: it was
//! torn. Anything else is damage, and the image is refused, but only after it was read several
//! times. A newest block with nothing valid behind its opening but another opening, or whose
//! opening repeats a number that is used, does not count: the block before it is still the head.
//!
//! *Finding* a record (`lookup`) walks one block, from where the last one of its log was found.
//!
//! *Power-up* acts on nothing before what counts is written down. Where the log ends with a
//! seal right behind its entry, nothing is written. Else the last entry is written again,
//! whether or not it is weak, and sealed; where the last one had counted, a seal is written, and
//! a second one proves the first. What does not fit goes into the next block, whose opening says
//! that the last entry follows again. Writing begins one unit behind all that any reading
//! has seen touched, because a torn write may have touched one more without a trace.
//!
//! *Reclaiming* (`reclaim`): the oldest block's live items are copied to the end, a few
//! after each answer; then a commit says that the block is being erased, it is
//! erased, a commit says that it is clean. Only blocks that a commit calls clean are
//! opened; a block that is being erased is not read. One clean block is always kept
//! back for this, and a commit leaves room for the live items of the oldest block, which may
//! be more than a block is sure to take. Records below the floor that their applet sets are dead.
//!
//! # Argument
//!
//! Between two power-ups that have acted, at most one entry is torn, and it has the number
//! after the last one that counts. *Whole entries are kept*: the last one is pending or counts
//! in every reading, since it is whole, and it is voided only by a copy of itself or by an
//! entry or seal written by a power that had decided from it. *A decision is final*: before
//! anything is acted on, a whole copy or seal stands behind everything torn. Whatever a weak
//! unit before it reads as later, it is the pending number and is voided or replaced there; what
//! is weak behind it is only its proof, and without proof the same decision is written again.
//! The opening of a next block that says that the last entry follows again decides as a seal does:
//! all up to its number count, and the last one only where it follows, which may be torn in its
//! turn: there it is pending, and what a weak entry before the opening seems to count of it is
//! counted once.
//! *A block that does not count was not acted on*: it is opened again only while nothing stands
//! behind its opening, so that of several the last alone is followed by anything, and is then
//! whole and seen in every reading. Where a reading comes upon one behind what it took for the
//! last, that one is weak, and nothing follows it.
//! *What is read is whole*: a copy with its seal right behind is, and the first writing is where
//! another entry or its seal was begun behind it; a copy without a seal, which was torn, is
//! never read.
//! A torn power-up has acted on nothing, so the next may decide otherwise. No live item is
//! lost in reclaiming, since a block is erased only after a commit that comes later than all
//! its copies; a block holds a record once, of copies the one in the latest block counts, and a
//! number that was never committed is not looked for. No unit is programmed twice, since a write starts behind the
//! last unit that was seen touched, and one more.
//!
//! Wear is even to one erasure: with 100,000 erasures a block, a purse lives 12 million
//! purchases on 16 KiB and 64 million on 64 KiB, a PSAM 58 million on 64 KiB
//! (`card-os/tests/wear.rs` counts).
//!
//! A card whose power fails in a dozen power-ups on end, each in the middle of writing the
//! same entry again, runs out of room for that and stops with its value in it.
//!
//! # Tests
//!
//! `card-os/tests/memory.rs` cuts power at every byte of random sequences of commits,
//! and again in the recovery, against a model of cells and records. `card-os/tests/sweep` cuts
//! every command of every applet in every write in every tear ([`crate::sim::Tear`]), among them
//! weak bits, both from flash and from EEPROM, and every write of the power-up behind it.
//! Neither covers a format of a used chip that is interrupted and then not repeated.

pub mod entry;
mod index;
mod lookup;
mod reclaim;
mod recovery;

use apdu_spec::Writer;

use crate::platform::{ChipError, Platform, UNIT};
use entry::{BODY_MAX, Body, ENTRY_MAX, HEADER};
use index::{Index, Place};
use lookup::LastFound;

/// Why memory did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryError {
    /// There is no room. Nothing was changed.
    Full,
    /// The commit is longer than an entry. Nothing was changed.
    TooLong,
    /// The chip failed. Whether the commit took place shows at the next power-up;
    /// until then memory takes no more commits.
    Chip,
    /// The image was never formatted, or formatting was interrupted.
    NotFormatted,
    /// The image has lost something that had been committed.
    Damaged(&'static str),
}

impl From<ChipError> for MemoryError {
    fn from(_: ChipError) -> Self {
        Self::Chip
    }
}

impl core::fmt::Display for MemoryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Full => f.write_str("memory is full"),
            Self::TooLong => f.write_str("the commit is longer than an entry"),
            Self::Chip => f.write_str("the memory chip failed"),
            Self::NotFormatted => f.write_str("this is not a card image, or its creation was interrupted"),
            Self::Damaged(what) => write!(f, "the card image is damaged: {what}"),
        }
    }
}

impl core::error::Error for MemoryError {}

/// Proof that a commit took place. An answer that carries value is built from it.
#[derive(Debug)]
#[must_use]
pub struct Committed(());

/// A commit in the making.
#[derive(Debug, Default)]
pub struct Change {
    body: Body,
    followed: bool,
}

impl Change {
    /// Sets the cell `tag` (below 80).
    pub fn set(&mut self, tag: u8, value: &[u8]) {
        self.set_with(tag, |writer| writer.put(value));
    }

    /// Sets the cell `tag` (below 80) to what `encode` writes.
    pub fn set_with(&mut self, tag: u8, encode: impl FnOnce(&mut Writer<'_>)) {
        self.body.put_with(tag & !entry::RECORD, &[], encode);
    }

    /// Appends to the log `tag` (80 and above) the record `number`, which must be the
    /// log's next.
    pub fn append(&mut self, tag: u8, number: u32, value: &[u8]) {
        self.append_with(tag, number, |writer| writer.put(value));
    }

    /// Another commit follows while power lasts, and proves this one: a seal would be wear for
    /// nothing. Where none does, the next power-up writes the entry again.
    pub const fn followed(&mut self) {
        self.followed = true;
    }

    /// Appends what `encode` writes, like [`Change::append`].
    pub fn append_with(&mut self, tag: u8, number: u32, encode: impl FnOnce(&mut Writer<'_>)) {
        if number > entry::RECORD_MAX {
            return self.body.refuse(); // numbers never wrap
        }
        self.body.put_with(tag | entry::RECORD, &number.to_be_bytes(), encode);
    }
}

/// Cells and records on a chip. What is in RAM is an index.
#[derive(Debug)]
pub struct Memory<P> {
    platform: P,
    index: Index,
    last_found: LastFound,
    /// Drawn when it was formatted ([`entry`]).
    salt: u32,
    /// Sequence of the block that is written to.
    head: u32,
    /// Where the next entry goes, within the head block.
    tail: usize,
    /// Number of the last entry.
    number: u32,
    /// Greatest sequence whose block is erased.
    clean: u32,
    /// Whether the block of sequence `clean + 1 - n` is being erased.
    erasing: bool,
    /// Records of the oldest block before this place need no copying any more.
    cursor: usize,
    /// Whether a seal is due after the answer.
    unsealed: bool,
    /// Oldest block and head when reclaiming last did not pay. Asked again when the head
    /// has moved on: the question costs a walk through the block.
    unpaid: Option<(u32, u32)>,
    /// A write failed: nothing more is written until the next power-up.
    failed: bool,
}

impl<P: Platform> Memory<P> {
    /// The platform below.
    pub const fn platform(&mut self) -> &mut P {
        &mut self.platform
    }

    /// The platform, when the card is switched off.
    pub fn into_platform(self) -> P {
        self.platform
    }

    fn blocks(&self) -> u32 {
        u32::try_from(self.platform.blocks()).unwrap_or(u32::MAX).max(1)
    }

    fn block_of(&self, sequence: u32) -> usize {
        (sequence % self.blocks()) as usize
    }

    const fn seed(&self, sequence: u32) -> u32 {
        sequence ^ self.salt
    }

    fn base_of(&self, sequence: u32) -> usize {
        self.block_of(sequence) * self.platform.block_size()
    }

    /// The oldest block in use.
    fn oldest(&self) -> u32 {
        (self.clean + 1).saturating_sub(self.blocks()) + u32::from(self.erasing)
    }

    /// Copies the value of a cell into `buffer`; its length, or nothing where it was
    /// never set or does not fit.
    pub fn cell(&self, tag: u8, buffer: &mut [u8]) -> Option<usize> {
        let cell = self.index.cell(tag)?;
        let length = self.read_value(cell.place, buffer)?;
        if cell.ticks > 0 {
            count_up(buffer.get_mut(..length)?, cell.ticks);
        }
        Some(length)
    }

    fn read_value(&self, place: Place, buffer: &mut [u8]) -> Option<usize> {
        let length = usize::from(place.length);
        self.platform.read(place.address as usize, buffer.get_mut(..length)?).ok()?;
        Some(length)
    }

    /// Number that the log's next record gets.
    pub fn next(&self, tag: u8) -> u32 {
        self.index.next(tag)
    }

    /// Records of the log below `number` may be forgotten. Not stored: applets say it
    /// again after each power-up.
    pub fn keep_from(&mut self, tag: u8, number: u32) {
        self.index.set_floor(tag, number);
    }

    /// Makes sure that entries of `bytes` in all can follow, without touching the block
    /// that is kept back. Reclaims where that helps.
    pub fn ensure_room(&mut self, bytes: usize) -> Result<(), MemoryError> {
        if self.has_room(bytes) {
            return Ok(());
        }
        if self.failed {
            return Err(MemoryError::Chip);
        }
        // Give up before anything is copied where no amount of copying helps.
        let blocks = self.platform.blocks();
        if self.live_bytes(self.oldest()..=self.head) + bytes > blocks.saturating_sub(2) * self.usable() {
            return Err(MemoryError::Full);
        }
        for _ in 0..blocks {
            if !self.can_reclaim() {
                break;
            }
            self.reclaim(usize::MAX)?;
            if self.has_room(bytes) {
                return Ok(());
            }
        }
        Err(MemoryError::Full)
    }

    /// Bytes of a block that entries can count on: opening, seals and waste aside.
    fn usable(&self) -> usize {
        self.platform.block_size().saturating_sub(reclaim::OPENING_SIZE + reclaim::RESERVE + 2 * ENTRY_MAX)
    }

    /// Bytes that entries can count on in the head block.
    fn left(&self) -> usize {
        self.platform.block_size().saturating_sub(self.tail + reclaim::RESERVE + 2 * ENTRY_MAX)
    }

    /// Whether entries of `bytes` find room, the block that is kept back aside, and after them what
    /// a power-up may write and the live items of the oldest block: else nothing could ever be
    /// reclaimed again.
    fn has_room(&self, bytes: usize) -> bool {
        let (clean, usable) = (self.clean.saturating_sub(self.head) as usize, self.usable());
        let all = self.left() + clean * usable;
        let room = if clean > 0 { all.saturating_sub(usable) } else { all };
        let settled = bytes + bytes.min(ENTRY_MAX) + reclaim::SETTLING;
        let rest = all.saturating_sub(settled);
        room >= bytes && (rest >= self.platform.block_size() || self.oldest_fits(rest))
    }

    /// Commits a change: afterwards all of it is there, also without power.
    pub fn commit(&mut self, mut change: Change) -> Result<Committed, MemoryError> {
        self.commit_in_place(&mut change)
    }

    /// Like [`Memory::commit`], once for one change.
    pub(super) fn commit_in_place(&mut self, change: &mut Change) -> Result<Committed, MemoryError> {
        if change.body.overflow() {
            return Err(MemoryError::TooLong);
        }
        self.ensure_room(entry::size(change.body.length()))?;
        self.write(&mut change.body)?;
        self.unsealed &= !change.followed;
        self.platform.sync().map_err(|error| self.fail(error))?;
        Ok(Committed(()))
    }

    /// Commits one more to a counter whose cell has been set: one unit.
    pub fn count_up(&mut self, counter: u8) -> Result<Committed, MemoryError> {
        self.ensure_room(UNIT)?;
        self.begin(UNIT)?;
        self.unsealed = false;
        self.burn_unit(entry::TICK + counter)?;
        self.index.count_up(entry::counter_cell(counter));
        self.platform.sync().map_err(|error| self.fail(error))?;
        Ok(Committed(()))
    }

    fn fail(&mut self, error: ChipError) -> MemoryError {
        self.failed = true;
        error.into()
    }

    /// Appends an entry with the next number, in a new block where the head is full.
    fn write(&mut self, body: &mut Body) -> Result<(), MemoryError> {
        self.begin(entry::size(body.length()))?;
        self.unsealed = body.has_record();
        self.program(body)
    }

    /// Makes room for an entry of `size` bytes and gives it the next number.
    fn begin(&mut self, size: usize) -> Result<(), MemoryError> {
        // Room for a copy, and for the seals of a recovery, stays free behind the entry.
        if self.tail + 2 * size + reclaim::RESERVE > self.platform.block_size() {
            self.open_block(0)?;
        }
        self.number += 1;
        Ok(())
    }

    /// Programs an entry at the tail under the current number and takes it into the index.
    fn program(&mut self, body: &mut Body) -> Result<(), MemoryError> {
        let at = self.burn(body)?;
        let block = self.block_of(self.head);
        body.items().for_each(|item| self.index.take(block, at, &item));
        Ok(())
    }

    /// Programs an entry at the tail; where its body is on the chip.
    fn burn(&mut self, body: &mut Body) -> Result<usize, MemoryError> {
        let seed = self.seed(self.head);
        let place = self.burn_bytes(body.finish(&self.platform, self.number, seed, self.tail))?;
        Ok(place + HEADER)
    }

    /// Programs an entry of one unit.
    fn burn_unit(&mut self, tag: u8) -> Result<(), MemoryError> {
        let unit = entry::unit(&self.platform, tag, self.number, self.seed(self.head), self.tail);
        self.burn_bytes(&unit).map(drop)
    }

    /// Programs a whole entry at the tail; its address.
    fn burn_bytes(&mut self, entry: &[u8]) -> Result<usize, MemoryError> {
        if self.failed {
            return Err(MemoryError::Chip);
        }
        let place = self.base_of(self.head) + self.tail;
        self.platform.program(place, entry).map_err(|error| self.fail(error))?;
        self.tail += entry.len();
        Ok(place)
    }

    /// Opens the next clean block, behind what torn openings have touched.
    fn open_block(&mut self, flags: u8) -> Result<(), MemoryError> {
        if self.clean <= self.head || self.head >= entry::SEQUENCE_MAX {
            return Err(MemoryError::Full);
        }
        let touched = self.index.start(self.block_of(self.head + 1));
        self.tail = self.first_free(self.head + 1)?;
        if touched > 0 {
            self.tail = self.tail.max(touched + UNIT);
        }
        if self.tail + reclaim::OPENING_SIZE + ENTRY_MAX > self.platform.block_size() {
            // Power failed here again and again.
            return Err(MemoryError::Full);
        }
        self.head += 1;
        let block = self.block_of(self.head);
        self.index.clear_block(block);
        self.index.set_start(block, self.tail);
        self.number += u32::from(flags & entry::RESCUES == 0);
        let mut body = self.opening(flags);
        self.program(&mut body)
    }

    /// The body that opens the head block: what the blocks before it may no longer tell.
    fn opening(&self, flags: u8) -> Body {
        let mut value = [0; entry::OPENING_LENGTH];
        let mut writer = Writer::new(&mut value);
        for [_, three @ ..] in [self.head, self.salt].map(u32::to_be_bytes) {
            writer.put(&three);
        }
        writer.put(&self.number.to_be_bytes());
        let clean = self.clean.saturating_sub(self.head).to_be_bytes()[3];
        writer.put(&[flags | if self.erasing { entry::ERASES } else { 0 }, clean]);
        for next in self.index.nexts() {
            writer.put(&next.to_be_bytes());
        }
        let mut body = Body::default();
        body.put(entry::OPENING, &[], &value);
        body
    }

    /// The seal of the last entry.
    fn seal(&mut self) -> Result<(), MemoryError> {
        self.unsealed = false;
        if self.tail + entry::SEAL_SIZE > self.platform.block_size() {
            return self.open_block(0);
        }
        self.burn_unit(entry::SEAL)
    }

    /// What is left to do after the answer has been sent: seals the last commit and
    /// reclaims a little. Failing here changes nothing that was committed.
    pub fn housekeep(&mut self) -> Result<(), MemoryError> {
        if self.failed {
            return Err(MemoryError::Chip);
        }
        if self.unsealed {
            self.seal()?;
        }
        if self.clean.saturating_sub(self.head) < 2 && self.reclaim_pays() {
            self.reclaim(reclaim::ITEMS_PER_ANSWER)?;
        }
        Ok(())
    }

    /// Behind the last unit of a block that does not read erased, and one more where
    /// the block is not empty: a torn write may have touched it without a trace.
    fn first_free(&self, sequence: u32) -> Result<usize, MemoryError> {
        let touched = self.touched(self.base_of(sequence))?;
        Ok(if touched == 0 { 0 } else { touched + UNIT })
    }

    /// Behind the last unit that does not read erased, of the block that begins at `base`.
    fn touched(&self, base: usize) -> Result<usize, ChipError> {
        const ERASED: [u8; 32 * UNIT] = [0xFF; 32 * UNIT];
        let mut end = self.platform.block_size();
        let mut piece = ERASED;
        while end > 0 {
            let length = piece.len().min(end);
            let bytes = piece.get_mut(..length).unwrap_or_default();
            self.platform.read(base + end - length, bytes)?;
            end -= length;
            if ERASED.starts_with(bytes) {
                continue;
            }
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0xFF) {
                return Ok(end + (last + 1).next_multiple_of(UNIT));
            }
        }
        Ok(0)
    }
}

/// Adds to a number, big endian.
fn count_up(number: &mut [u8], ticks: u32) {
    let mut carry = u64::from(ticks);
    for byte in number.iter_mut().rev() {
        carry += u64::from(*byte);
        *byte = carry.to_be_bytes()[7];
        carry >>= 8;
    }
}

const _: () = assert!(BODY_MAX <= ENTRY_MAX - HEADER);
