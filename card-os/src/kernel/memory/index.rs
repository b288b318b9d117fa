//! The index in RAM: where each cell is, and which records each block may hold.

use super::entry::{Item, RECORD};
use crate::platform::BLOCKS_MAX;

/// Logs of a card: two for each of two applications.
pub(super) const LOGS: usize = 4;
/// Cells of a card: 32 of the kernel and of each of two applications.
const CELLS: usize = 3 * 32;

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Address on the chip.
    pub address: u32,
    /// Length in bytes.
    pub length: u8,
}

/// Numbers of one log in one block: from `first` to below `end`. Copies widen it.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    first: u32,
    end: u32,
}

/// A cell: where its value is, and how often it was counted up since that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) place: Place,
    pub(super) ticks: u32,
}

/// A cell that was never set. No value is at the beginning of a chip: an opening is.
const UNSET: Cell = Cell { place: Place { address: 0, length: 0 }, ticks: 0 };

impl Cell {
    const fn is_set(&self) -> bool {
        self.place.address != 0
    }
}

#[derive(Debug)]
pub(super) struct Index {
    /// By their tags.
    cells: [Cell; CELLS],
    ranges: [[Range; LOGS]; BLOCKS_MAX],
    /// Where each block was opened: what stands before was torn. Of a clean block, how far
    /// torn openings have touched it.
    starts: [u32; BLOCKS_MAX],
    next: [u32; LOGS],
    floor: [u32; LOGS],
}

/// The place of a log in the arrays.
pub(super) fn log_of(tag: u8) -> usize {
    usize::from(tag & !RECORD)
}

impl Index {
    pub(super) const fn new() -> Self {
        Self {
            cells: [UNSET; CELLS],
            ranges: [[Range { first: 0, end: 0 }; LOGS]; BLOCKS_MAX],
            starts: [0; BLOCKS_MAX],
            next: [1; LOGS],
            floor: [0; LOGS],
        }
    }

    /// Takes an item in, which stands in an entry whose body begins at `body`.
    pub(super) fn take(&mut self, block: usize, body: usize, item: &Item) {
        let address = item.place.address + u32::try_from(body).unwrap_or(u32::MAX);
        let place = Place { address, length: item.place.length };
        if item.is_cell() {
            if let Some(cell) = self.cells.get_mut(usize::from(item.tag)) {
                *cell = Cell { place, ticks: 0 };
            }
        } else if let Some(tag) = item.counter() {
            self.count_up(tag);
        } else if item.is_record() {
            self.take_record(block, item);
        }
    }

    /// Counts a cell up.
    pub(super) fn count_up(&mut self, tag: u8) {
        if let Some(cell) = self.cells.get_mut(usize::from(tag)).filter(|cell| cell.is_set()) {
            cell.ticks += 1;
        }
    }

    fn take_record(&mut self, block: usize, item: &Item) {
        let log = log_of(item.tag);
        if let Some(range) = self.ranges.get_mut(block).and_then(|ranges| ranges.get_mut(log)) {
            let empty = range.end == 0;
            range.first = if empty { item.number } else { range.first.min(item.number) };
            range.end = range.end.max(item.number + 1);
        }
        self.raise_next(log, item.number + 1);
    }

    pub(super) fn raise_next(&mut self, log: usize, next: u32) {
        if let Some(place) = self.next.get_mut(log) {
            *place = (*place).max(next);
        }
    }

    pub(super) fn cell(&self, tag: u8) -> Option<Cell> {
        self.cells.get(usize::from(tag)).filter(|cell| cell.is_set()).copied()
    }

    /// The cells whose last value lies at these addresses, with their tags.
    pub(super) fn cells_at(&self, addresses: core::ops::Range<usize>) -> impl Iterator<Item = (u8, Cell)> {
        let all = (0..).zip(self.cells.iter().copied());
        all.filter(move |(_, cell)| cell.is_set() && addresses.contains(&(cell.place.address as usize)))
    }

    /// Tag and number of the records that a block may hold and that are wanted.
    pub(super) fn wanted_in(&self, block: usize) -> impl Iterator<Item = (u8, u32)> {
        let ranges = self.ranges.get(block).into_iter().flatten().zip(&self.floor);
        (RECORD..).zip(ranges).flat_map(|(tag, (range, floor))| {
            (range.first.max(*floor)..range.end).map(move |number| (tag, number))
        })
    }

    pub(super) fn next(&self, tag: u8) -> u32 {
        self.next.get(log_of(tag)).copied().unwrap_or(1)
    }

    pub(super) const fn nexts(&self) -> [u32; LOGS] {
        self.next
    }

    pub(super) fn set_floor(&mut self, tag: u8, number: u32) {
        if let Some(floor) = self.floor.get_mut(log_of(tag)) {
            *floor = number;
        }
    }

    /// Whether a record is still wanted.
    pub(super) fn is_wanted(&self, tag: u8, number: u32) -> bool {
        self.floor.get(log_of(tag)).is_some_and(|floor| number >= *floor)
    }

    pub(super) fn may_hold(&self, block: usize, tag: u8, number: u32) -> bool {
        let range = self.ranges.get(block).and_then(|ranges| ranges.get(log_of(tag)));
        range.is_some_and(|range| (range.first..range.end).contains(&number))
    }

    pub(super) fn set_start(&mut self, block: usize, at: usize) {
        if let Some(start) = self.starts.get_mut(block) {
            *start = u32::try_from(at).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn start(&self, block: usize) -> usize {
        self.starts.get(block).map_or(0, |start| *start as usize)
    }

    pub(super) fn clear_block(&mut self, block: usize) {
        if let Some(ranges) = self.ranges.get_mut(block) {
            *ranges = [Range::default(); LOGS];
        }
        if let Some(start) = self.starts.get_mut(block) {
            *start = 0;
        }
    }
}
