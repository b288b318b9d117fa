//! What an applet sees of the card: its own cells and logs, and randomness.
//!
//! [`Storage`] erases the platform's type, so that applets need no generic.

use apdu_spec::{Element, StatusWord};

use super::memory::{Change, Committed, Memory, MemoryError, entry};
use crate::platform::Platform;

/// Cells of one application.
const CELLS: u8 = 32;
/// Logs of one application.
const LOGS: u8 = 2;

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

/// A cell of an application, 0 to 31.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell(pub u8);

/// The cell of an application that can be counted up at the cost of one unit.
pub const COUNTER: Cell = Cell(1);

/// A log of an application, 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log(pub u8);

/// Number of the last record that a log takes.
const NUMBER_MAX: u32 = 0x00FF_FFFF;

/// The part of memory that belongs to one application.
pub struct Area<'m> {
    storage: &'m mut dyn Storage,
    instance: u8,
}

impl core::fmt::Debug for Area<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Area {}", self.instance)
    }
}

impl<'m> Area<'m> {
    /// Part 0 is the kernel's; applications have the parts from 1 on.
    pub(super) fn new(storage: &'m mut dyn Storage, instance: u8) -> Self {
        Self { storage, instance }
    }

    const fn cell_tag(&self, cell: Cell) -> u8 {
        self.instance * CELLS + cell.0 % CELLS
    }

    const fn log_tag(&self, log: Log) -> u8 {
        entry::RECORD | (self.instance.saturating_sub(1) * LOGS + log.0 % LOGS)
    }

    /// The value of a cell; nothing where it was never set or is empty.
    pub fn get<E: Element>(&self, cell: Cell) -> Option<E> {
        let mut buffer = [0; entry::BODY_MAX];
        let length = self.storage.cell(self.cell_tag(cell), &mut buffer)?;
        let value = E::from_bytes(buffer.get(..length)?).ok();
        zeroize::Zeroize::zeroize(buffer.get_mut(..length)?);
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
        let length = self.storage.record(self.log_tag(log), number, &mut buffer)?;
        E::from_bytes(buffer.get(..length)?).ok()
    }

    /// Number that the log's next record gets; the first is 1.
    #[must_use]
    pub fn next(&self, log: Log) -> u32 {
        self.storage.next(self.log_tag(log))
    }

    /// How many more records the log takes: their numbers have three bytes and never wrap.
    #[must_use]
    pub fn numbers_left(&self, log: Log) -> usize {
        NUMBER_MAX.saturating_sub(self.next(log).saturating_sub(1)) as usize
    }

    /// Records below `number` may be forgotten.
    pub fn keep_from(&mut self, log: Log, number: u32) {
        self.storage.keep_from(self.log_tag(log), number);
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

    /// Commits one more to [`COUNTER`], which must have been set.
    pub fn count_up(&mut self) -> Result<Committed, StatusWord> {
        self.storage.count_up(self.instance).map_err(StatusWord::from)
    }

    /// Begins a commit.
    pub fn change(&mut self) -> AreaChange<'_, 'm> {
        AreaChange { appended: [0; LOGS as usize], area: self, change: Change::default() }
    }
}

/// A commit of one application in the making. It stays in its place: it is as large as
/// the longest entry.
#[derive(Debug)]
pub struct AreaChange<'a, 'm> {
    area: &'a mut Area<'m>,
    change: Change,
    appended: [u32; LOGS as usize],
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

    /// Appends a record to a log.
    pub fn append<E: Element>(&mut self, log: Log, value: &E) -> &mut Self {
        let appended = self.appended.get_mut(usize::from(log.0 % LOGS));
        let before = appended.map_or(0, |count| core::mem::replace(count, *count + 1));
        let number = self.area.next(log) + before;
        self.change.append_with(self.area.log_tag(log), number, |writer| value.encode(writer));
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
