//! Chance: a generator that is cheap to begin, so that every step has one of its own and
//! a step that is left out does not change what the others draw. Not for keys.

use core::convert::Infallible;

use rand_core::{Rng, TryRng};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
    /// Always the same numbers: a card's generator that is broken.
    constant: bool,
}

/// One in so many: rates are parts per million.
pub const MILLION: u32 = 1_000_000;

impl Chance {
    /// Chance of its own for `part` of what grows from `seed`.
    #[must_use]
    pub const fn of(seed: u64, part: u64) -> Self {
        Self { state: mix(seed ^ mix(part)), constant: false }
    }

    /// The same, of a generator that repeats itself for ever.
    #[must_use]
    pub const fn constant(mut self) -> Self {
        self.constant = true;
        self
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = u64::from(self.next_u32()) * u64::from(bound);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A place in something of this length.
    pub fn place(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap_or(u32::MAX)) as usize
    }

    /// Whether something of this rate happens, parts per million. Costs nothing where the
    /// rate is zero.
    pub fn hits(&mut self, rate: u32) -> bool {
        rate > 0 && self.below(MILLION) < rate
    }

    /// Whether a coin falls on one side.
    pub fn coin(&mut self) -> bool {
        self.next_u32() & 1 == 0
    }
}

const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

impl TryRng for Chance {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| u32::try_from(number >> 32).unwrap_or(0))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        if !self.constant {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        }
        Ok(mix(self.state))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(8) {
            let drawn = self.next_u64().to_be_bytes();
            piece.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
        }
        Ok(())
    }
}
