//! What an applet sees of the card: its own cells and logs, randomness, and whether a command
//! came through the issuer's channel.
//!
//! [`Storage`] erases the platform's type, so that applets need no generic.

use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::{Element, StatusWord};

use super::memory::{Change, Committed, Memory, MemoryError, entry};
use crate::platform::Platform;

/// Cells of one application.
const CELLS: u8 = 32;
/// Logs of one application.
pub(super) const LOGS: usize = 2;

/// Memory and randomness, whatever the platform.
pub trait Storage {
    /// See [`Memory::cell`].
    fn cell(&self, tag: u8, buffer: &mut [u8]) -> Option<usize>;
    /// See [`Memory::record`].
    fn record(&self, tag: u8, number: u32, buffer: &mut [u8]) -> Option<usize>;
    /// See [`Memory::next`].
    fn next(&self, tag: u8) -> u32;
    /// See [`Memory::keep_from`].
    fn keep_from(&mut self, tag: u8, number: u32);
    /// See [`Memory::ensure_room`].
    fn ensure_room(&mut self, bytes: usize) -> Result<(), MemoryError>;
    /// See [`Memory::commit`].
    fn commit(&mut self, change: &mut Change) -> Result<Committed, MemoryError>;
    /// See [`Memory::count_up`].
    fn count_up(&mut self, counter: u8) -> Result<Committed, MemoryError>;
    /// See [`Platform::random`].
    fn random(&mut self, buffer: &mut [u8]);
    /// See [`Platform::delay`].
    fn delay(&mut self, milliseconds: u32);
}

impl<P: Platform> Storage for Memory<P> {
    fn cell(&self, tag: u8, buffer: &mut [u8]) -> Option<usize> {
        self.cell(tag, buffer)
    }
    fn record(&self, tag: u8, number: u32, buffer: &mut [u8]) -> Option<usize> {
        self.record(tag, number, buffer)
    }
    fn next(&self, tag: u8) -> u32 {
        self.next(tag)
    }
    fn keep_from(&mut self, tag: u8, number: u32) {
        self.keep_from(tag, number);
    }
    fn ensure_room(&mut self, bytes: usize) -> Result<(), MemoryError> {
        self.ensure_room(bytes)
    }
    fn commit(&mut self, change: &mut Change) -> Result<Committed, MemoryError> {
        self.commit_in_place(change)
    }
    fn count_up(&mut self, counter: u8) -> Result<Committed, MemoryError> {
        self.count_up(counter)
    }
    fn random(&mut self, buffer: &mut [u8]) {
        self.platform().random(buffer);
    }
    fn delay(&mut self, milliseconds: u32) {
        self.platform().delay(milliseconds);
    }
}

/// Status word of a memory error.
impl From<MemoryError> for StatusWord {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Full => Self::NOT_ENOUGH_MEMORY,
            MemoryError::TooLong => Self::WRONG_DATA,
            MemoryError::Chip => Self::MEMORY_FAILURE,
            MemoryError::NotFormatted | MemoryError::Damaged(_) => Self::INTERNAL_ERROR,
        }
    }
}

/// A cell of a part of memory, 0 to 31. Of an application 0 to 7 and 20 to 29 are its applet's
/// own, 8 to 19 its keys (`keys`), 30 and 31 the kernel's: wrong MACs and life cycle (`registry`). Of the
/// kernel's own part 0 to 3 are the registry's, 4 to 10 the security domain's (`domain`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell(pub u8);

const fn cell_tag(instance: u8, cell: Cell) -> u8 {
    instance * CELLS + cell.0 % CELLS
}

/// The cell of an application that can be counted up at the cost of one unit.
pub const COUNTER: Cell = Cell(1);

/// A log of an application, 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log(pub u8);

/// The part of memory that belongs to one application.
pub struct Area<'m> {
    storage: &'m mut dyn Storage,
    instance: u8,
    /// Records that its logs had before it was installed: its own numbers begin behind them.
    before: [u32; LOGS],
    /// Security level of the issuer's channel, where the command came through one.
    level: Option<Level>,
}

impl core::fmt::Debug for Area<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Area {}", self.instance)
    }
}

impl<'m> Area<'m> {
    /// The part of an application, from 1 on.
    pub(super) fn new(storage: &'m mut dyn Storage, instance: u8, before: [u32; LOGS]) -> Self {
        Self { storage, instance, before, level: None }
    }

    /// The kernel's part. It has no logs.
    pub(super) fn kernel(storage: &'m mut dyn Storage) -> Self {
        Self::new(storage, 0, [0; LOGS])
    }

    /// The same part, for a command that came through a channel of this level.
    pub(super) const fn secured(mut self, level: Option<Level>) -> Self {
        self.level = level;
        self
    }

    /// Whether the issuer has authenticated itself, and command data are encrypted.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.level.is_some_and(Level::is_confidential)
    }

    const fn cell_tag(&self, cell: Cell) -> u8 {
        cell_tag(self.instance, cell)
    }

    fn log_tag(&self, log: Log) -> u8 {
        entry::RECORD | (2 * self.instance.saturating_sub(1) + log.0 % 2)
    }

    /// Records of a log before its own.
    fn before(&self, log: Log) -> u32 {
        self.before.get(usize::from(log.0)).copied().unwrap_or(0)
    }

    /// How many records each log of this part has had, whoever's.
    pub(super) fn records_so_far(&self) -> [u32; LOGS] {
        [Log(0), Log(1)].map(|log| self.storage.next(self.log_tag(log)).saturating_sub(1))
    }

    /// All records of this part may be forgotten.
    pub(super) fn forget_records(&mut self) {
        for log in [Log(0), Log(1)] {
            let tag = self.log_tag(log);
            self.storage.keep_from(tag, self.storage.next(tag));
        }
    }

    /// Records from before this application may be forgotten.
    pub(super) fn keep_own_records(&mut self) {
        [Log(0), Log(1)].into_iter().for_each(|log| self.keep_from(log, 0));
    }

    /// The value of a cell; nothing where it was never set or is empty.
    pub fn get<E: Element>(&self, cell: Cell) -> Option<E> {
        let mut buffer = [0; entry::BODY_MAX];
        let length = self.storage.cell(self.cell_tag(cell), &mut buffer)?;
        let value = E::from_bytes(buffer.get(..length)?).ok();
        buffer.get_mut(..length)?.fill(0);
        zeroize::optimization_barrier(&buffer);
        value
    }

    /// Stores a data group of personalisation in a cell.
    pub fn store<E: Element>(&mut self, cell: Cell, content: &[u8]) -> Result<E, StatusWord> {
        let value = E::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
        let _ = self.change().set(cell, &value).commit()?;
        Ok(value)
    }

    /// A record of a log.
    pub fn record<E: Element>(&self, log: Log, number: u32) -> Option<E> {
        let mut buffer = [0; entry::BODY_MAX];
        let number = number.checked_add(self.before(log))?;
        let length = self.storage.record(self.log_tag(log), number, &mut buffer)?;
        E::from_bytes(buffer.get(..length)?).ok()
    }

    /// Number that the log's next record gets; the first is 1.
    #[must_use]
    pub fn next(&self, log: Log) -> u32 {
        self.storage.next(self.log_tag(log)).saturating_sub(self.before(log))
    }

    /// How many more records the log takes: their numbers never wrap.
    #[must_use]
    pub fn numbers_left(&self, log: Log) -> usize {
        entry::RECORD_MAX.saturating_sub(self.storage.next(self.log_tag(log)).saturating_sub(1)) as usize
    }

    /// Records below `number` may be forgotten.
    pub fn keep_from(&mut self, log: Log, number: u32) {
        self.storage.keep_from(self.log_tag(log), number.saturating_add(self.before(log)));
    }

    /// Makes sure that entries of `bytes` in all find room.
    pub fn ensure_room(&mut self, bytes: usize) -> Result<(), StatusWord> {
        self.storage.ensure_room(bytes).map_err(StatusWord::from)
    }

    /// Fills an array with random bytes.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.storage.random(&mut bytes);
        bytes
    }

    /// Asks the platform for a delay.
    pub(super) fn delay(&mut self, milliseconds: u32) {
        self.storage.delay(milliseconds);
    }

    /// Commits one more to [`COUNTER`], which must have been set.
    pub fn count_up(&mut self) -> Result<Committed, StatusWord> {
        self.storage.count_up(self.instance).map_err(StatusWord::from)
    }

    /// Begins a commit.
    pub fn change(&mut self) -> AreaChange<'_, 'm> {
        AreaChange { appended: [0; LOGS], area: self, change: Change::default() }
    }
}

/// A commit of one application in the making. It stays in its place: it is as large as
/// the longest entry.
#[derive(Debug)]
pub struct AreaChange<'a, 'm> {
    area: &'a mut Area<'m>,
    change: Change,
    appended: [u32; LOGS],
}

impl AreaChange<'_, '_> {
    /// Sets a cell.
    pub fn set<E: Element>(&mut self, cell: Cell, value: &E) -> &mut Self {
        // In its place, so that no copy of a key is left. Too long: the commit fails.
        self.change.set_with(self.area.cell_tag(cell), |writer| value.encode(writer));
        self
    }

    /// Empties a cell.
    pub fn clear(&mut self, cell: Cell) -> &mut Self {
        self.change.set(self.area.cell_tag(cell), &[]);
        self
    }

    /// Sets a cell of another part: the kernel's alone to do.
    pub(super) fn set_in<E: Element>(&mut self, instance: u8, cell: Cell, value: &E) -> &mut Self {
        self.change.set_with(cell_tag(instance, cell), |writer| value.encode(writer));
        self
    }

    /// Empties all cells of another part.
    pub(super) fn clear_part(&mut self, instance: u8) -> &mut Self {
        for tag in (0..CELLS).map(|cell| cell_tag(instance, Cell(cell))) {
            if self.area.storage.cell(tag, &mut [0; entry::BODY_MAX]).is_some_and(|length| length > 0) {
                self.change.set(tag, &[]);
            }
        }
        self
    }

    /// Appends a record to a log.
    pub fn append<E: Element>(&mut self, log: Log, value: &E) -> &mut Self {
        let appended = self.appended.get_mut(usize::from(log.0 % 2));
        let before = appended.map_or(0, |count| core::mem::replace(count, *count + 1));
        let tag = self.area.log_tag(log);
        let number = self.area.storage.next(tag) + before;
        self.change.append_with(tag, number, |writer| value.encode(writer));
        self
    }

    /// See [`Change::followed`].
    pub const fn followed(&mut self) -> &mut Self {
        self.change.followed();
        self
    }

    /// Commits all of it.
    pub fn commit(&mut self) -> Result<Committed, StatusWord> {
        self.area.storage.commit(&mut self.change).map_err(StatusWord::from)
    }
}
