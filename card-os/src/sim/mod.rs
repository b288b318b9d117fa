//! A chip for tests: it refuses the impossible and loses power in the middle of any write.
//!
//! Two technologies, one contract ([`Platform`]): NOR flash takes bits from 1 to 0 and is
//! erased by block; EEPROM and FRAM overwrite bytes, and erase by writing FF. What a tear
//! leaves is a [`Tear`], and [`tears`] lists all of them; weak bits read differently from
//! read to read until they are erased.
//!
//! The chip panics on writing outside its bounds or out of line and, as flash, on
//! programming a unit that does not read erased or one of a block whose erasure was
//! interrupted: that is a defect of the caller, not of the chip. A weak unit that reads erased
//! may be programmed; it then stays weak in the bits that the torn write had begun.
//!
//! No allocation, and cheap to clone: tests keep images, not cards. At most
//! [`WEAK_UNITS`] weak units and one weak block are remembered; an older one then stays what
//! it was to become.

mod tear;
mod weak;

pub use tear::{Interrupted, State, Tear, Technology, tears};
pub use weak::Weakness;

use core::hash::{Hash, Hasher};

use crate::platform::{ChipError, Platform, UNIT};
use weak::{WeakPiece, WeakUnit};

/// Weak units that a chip remembers.
pub const WEAK_UNITS: usize = 4;

/// When power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Power {
    Good,
    /// After this many more bytes.
    Bytes(usize),
    /// After this many more programs and erasures, in the middle of the next.
    Writes(usize, Tear),
    Failed,
}

/// `BLOCKS` erase blocks of `SIZE` bytes.
#[derive(Clone, Debug)]
pub struct SimulatedChip<const BLOCKS: usize, const SIZE: usize> {
    bytes: [[u8; SIZE]; BLOCKS],
    technology: Technology,
    power: Power,
    weak_units: [Option<WeakUnit>; WEAK_UNITS],
    weak_block: Option<WeakPiece<SIZE>>,
    /// Whether nothing is weak: most reads of most tests, which this makes quick.
    steady: bool,
    /// Blocks whose erasure was interrupted.
    half_erased: [bool; BLOCKS],
    written: usize,
    writes: usize,
    erased: [usize; BLOCKS],
    delayed: u64,
    random: u64,
}

impl<const BLOCKS: usize, const SIZE: usize> Default for SimulatedChip<BLOCKS, SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BLOCKS: usize, const SIZE: usize> SimulatedChip<BLOCKS, SIZE> {
    /// An erased flash chip.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Technology::Nor)
    }

    /// An erased chip of this technology.
    #[must_use]
    pub const fn of(technology: Technology) -> Self {
        Self {
            bytes: [[0xFF; SIZE]; BLOCKS],
            technology,
            power: Power::Good,
            weak_units: [const { None }; WEAK_UNITS],
            weak_block: None,
            steady: true,
            half_erased: [false; BLOCKS],
            written: 0,
            writes: 0,
            erased: [0; BLOCKS],
            delayed: 0,
            random: 1,
        }
    }

    /// Milliseconds that a card has asked it to wait. Nobody waits here.
    #[must_use]
    pub const fn delayed(&self) -> u64 {
        self.delayed
    }

    /// What it is made of.
    #[must_use]
    pub const fn technology(&self) -> Technology {
        self.technology
    }

    /// The same chip with the same content, made of something else.
    pub const fn change_to(&mut self, technology: Technology) {
        self.technology = technology;
    }

    /// Power fails after `bytes` more bytes: an interrupted write leaves its front part,
    /// an interrupted erasure leaves the rest of the block.
    pub const fn cut_after(&mut self, bytes: usize) {
        self.power = Power::Bytes(bytes);
    }

    /// Power fails after `writes` more programs and erasures; the next one leaves `tear`.
    pub const fn tear_after(&mut self, writes: usize, tear: Tear) {
        self.power = Power::Writes(writes, tear);
    }

    /// Power is back.
    pub const fn power_up(&mut self) {
        self.power = Power::Good;
    }

    /// Whether power has failed and is not back.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.power, Power::Failed)
    }

    /// Bytes programmed so far, padding included.
    #[must_use]
    pub const fn bytes_written(&self) -> usize {
        self.written
    }

    /// Programs and erasures begun so far.
    #[must_use]
    pub const fn writes(&self) -> usize {
        self.writes
    }

    /// Blocks erased so far, interrupted ones included.
    #[must_use]
    pub fn blocks_erased(&self) -> usize {
        self.erased.iter().sum()
    }

    /// How often each block has been erased.
    #[must_use]
    pub const fn erasures(&self) -> &[usize; BLOCKS] {
        &self.erased
    }

    /// Takes weak pieces that have come to rest for what they read: nobody can tell.
    pub fn settle(&mut self) {
        let bytes = self.bytes.as_flattened_mut();
        for slot in &mut self.weak_units {
            let Some(weak) = slot else { continue };
            let place = bytes.get_mut(weak.address..).and_then(|tail| tail.get_mut(..weak.length));
            settle(slot, place.unwrap_or_default());
        }
        let place = self.weak_block.as_ref().map_or(0, |weak| weak.address);
        let block = bytes.get_mut(place..).and_then(|tail| tail.get_mut(..SIZE));
        settle(&mut self.weak_block, block.unwrap_or_default());
        self.look_for_weak();
    }

    fn look_for_weak(&mut self) {
        self.steady = self.weak_block.is_none() && self.weak_units.iter().all(Option::is_none);
    }

    /// Hashes all that decides how it reads and what it refuses, its bytes aside, and aside from
    /// weak units in `besides`.
    pub fn hash_wavering(&self, besides: core::ops::Range<usize>, hasher: &mut impl Hasher) {
        self.half_erased.hash(hasher);
        let units = self.weak_units.iter().flatten();
        let units = units.filter(|weak| !besides.contains(&weak.address));
        units.for_each(|weak| weak.state().hash(hasher));
        self.weak_block.iter().for_each(|weak| weak.state().hash(hasher));
    }

    /// The memory, for inspection and damage.
    pub const fn image(&mut self) -> &mut [u8] {
        self.bytes.as_flattened_mut()
    }

    /// How this write of `length` bytes ends; `None` where it is completed, an error where
    /// power has failed before.
    fn begin(&mut self, length: usize) -> Result<Option<Tear>, ChipError> {
        let piece = self.technology.piece();
        let (next, tear) = match self.power {
            Power::Good => (Power::Good, None),
            Power::Bytes(left) if left >= length => (Power::Bytes(left - length), None),
            Power::Bytes(left) => {
                let state = State::Prefix(left % piece);
                (Power::Failed, Some(Tear::Front { piece: left / piece, state }))
            }
            Power::Writes(0, tear) => (Power::Failed, Some(tear)),
            Power::Writes(left, tear) => (Power::Writes(left - 1, tear), None),
            Power::Failed => return Err(ChipError),
        };
        // Nothing has begun where power ends with the byte before.
        if self.power == Power::Bytes(0) && tear.is_some() {
            self.power = next;
            return Err(ChipError);
        }
        self.power = next;
        self.writes += 1;
        Ok(tear)
    }

    /// Remembers what a tear leaves behind that bytes do not tell; called before they change.
    fn remember(&mut self, tear: Tear, address: usize, length: usize) {
        let size = self.technology.piece();
        let (Tear::Front { piece, state } | Tear::Back { piece, state }) = tear else { return };
        let Some(before) = piece.checked_mul(size).filter(|before| *before < length) else { return };
        let place = address + before;
        if let State::Weak(weakness) = state {
            let old = self.bytes.as_flattened().get(place..place + size).unwrap_or_default();
            let weak = WeakUnit::new(place, old, weakness);
            self.weak_units.rotate_right(1);
            self.weak_units[0] = Some(weak);
            self.steady = false;
        }
    }

    /// The block is erased: nothing in it is weak.
    fn heal(&mut self, block: usize) {
        let base = block * SIZE;
        for weak in &mut self.weak_units {
            weak.take_if(|weak| weak.touches(base, SIZE));
        }
        self.weak_block.take_if(|weak| weak.address == base);
        if let Some(half) = self.half_erased.get_mut(block) {
            *half = false;
        }
        self.look_for_weak();
    }

    /// Whether flash may program here.
    fn is_erased(&self, address: usize, length: usize) -> bool {
        let place = self.bytes.as_flattened().get(address..address + length).unwrap_or_default();
        let half = self.half_erased.get(address / SIZE).is_some_and(|half| *half);
        let reads_erased = |(at, byte): (usize, &u8)| {
            let weak = self.weak_units.iter().flatten().find_map(|weak| weak.peek(at, *byte));
            weak.unwrap_or(*byte) == 0xFF
        };
        (address..).zip(place).all(reads_erased) && !half
    }
}

/// Puts what a weak piece reads in its place, where that has come to rest.
fn settle<const N: usize>(slot: &mut Option<WeakPiece<N>>, place: &mut [u8]) {
    let mut new = [0xFF; N];
    new.iter_mut().zip(&*place).for_each(|(new, byte)| *new = *byte);
    if let Some(reads) = slot.as_ref().and_then(|weak| weak.settled(&new)) {
        place.iter_mut().zip(reads).for_each(|(byte, read)| *byte = read);
        *slot = None;
    }
}

impl<const BLOCKS: usize, const SIZE: usize> Platform for SimulatedChip<BLOCKS, SIZE> {
    fn block_size(&self) -> usize {
        SIZE
    }

    fn blocks(&self) -> usize {
        BLOCKS
    }

    #[inline]
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let image = self.bytes.as_flattened();
        let source = image.get(address..).and_then(|tail| tail.get(..buffer.len())).ok_or(ChipError)?;
        // Single units are read most, and are copied as one word.
        match (<&mut [u8; UNIT]>::try_from(&mut *buffer), <[u8; UNIT]>::try_from(source)) {
            (Ok(buffer), Ok(unit)) => *buffer = unit,
            _ => buffer.copy_from_slice(source),
        }
        if self.steady {
            return Ok(());
        }
        self.weak_units.iter().flatten().for_each(|weak| weak.read(address, buffer));
        self.weak_block.iter().for_each(|weak| weak.read(address, buffer));
        Ok(())
    }

    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        assert!(address.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT), "out of line");
        assert!(address + bytes.len() <= BLOCKS * SIZE, "programming outside the chip");
        let tear = self.begin(bytes.len())?;
        let refused = self.technology == Technology::Nor && !self.is_erased(address, bytes.len());
        assert!(!refused, "programming what is not erased, at {address}");
        if let Some(tear) = tear {
            self.remember(tear, address, bytes.len());
        }
        let image = self.bytes.as_flattened_mut();
        let place = image.get_mut(address..address + bytes.len()).unwrap_or_default();
        if let Some(tear) = tear {
            tear.leave(self.technology.piece(), place, |at| bytes.get(at).copied().unwrap_or(0xFF));
        } else {
            let keeps = |old: u8| old != 0xFF && self.technology == Technology::Nor;
            place.iter_mut().zip(bytes).for_each(|(place, new)| {
                *place = if keeps(*place) { *place & new } else { *new };
            });
            self.weak_units.iter_mut().flatten().for_each(|weak| weak.program(address, bytes));
        }
        self.written += bytes.len();
        if tear.is_none() { Ok(()) } else { Err(ChipError) }
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        assert!(block < BLOCKS, "erasing outside the chip");
        let tear = self.begin(SIZE)?;
        *self.erased.get_mut(block).ok_or(ChipError)? += 1;
        let Some(tear) = tear else {
            self.bytes.get_mut(block).ok_or(ChipError)?.fill(0xFF);
            self.heal(block);
            return Ok(());
        };
        self.remember(tear, block * SIZE, SIZE);
        if let Tear::All(State::Weak(weakness)) = tear {
            let old = self.bytes.get(block).ok_or(ChipError)?;
            self.weak_block = Some(WeakPiece::new(block * SIZE, old, weakness));
            self.steady = false;
        }
        let piece = self.technology.piece();
        tear.leave(piece, self.bytes.get_mut(block).ok_or(ChipError)?, |_| 0xFF);
        *self.half_erased.get_mut(block).ok_or(ChipError)? = true;
        Err(ChipError)
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        Ok(())
    }

    fn delay(&mut self, milliseconds: u32) {
        self.delayed += u64::from(milliseconds);
    }

    /// A counting generator: protocols must hold even with this.
    fn random(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = self.random.to_be_bytes()[0];
        }
    }
}
