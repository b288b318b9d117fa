//! Tears: what a program or an erasure leaves when power fails in the middle of it, and
//! the list of all of them.
//!
//! A [`Technology`] writes pieces one by one: NOR flash units of eight bytes, EEPROM and
//! FRAM single bytes. Pieces of a program are written in rising order, so those before the
//! one in progress are new and those behind it are old; the one in progress is in any
//! [`State`]. An erasure of flash has no order: its front or its rear is done, or all of
//! the block is in one state. EEPROM erases by writing FF, which is a program.
//!
//! [`tears`] enumerates, for a write of a given length, every piece in every state.

use super::weak::Weakness;
use crate::platform::UNIT;

/// What the memory is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Technology {
    /// Programming takes bits from 1 to 0, erasing takes a whole block to 1.
    Nor,
    /// Bytes are overwritten (EEPROM, FRAM).
    Eeprom,
}

impl Technology {
    /// Bytes that are written at once.
    #[must_use]
    pub const fn piece(self) -> usize {
        match self {
            Self::Nor => UNIT,
            Self::Eeprom => 1,
        }
    }
}

/// In what state an interrupted piece is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// This many bytes in front are new, the rest is old.
    Prefix(usize),
    /// This many bytes at the end are new, the rest is old.
    Suffix(usize),
    /// The bits of the mask are new in every byte, the rest is old.
    Mixed(u8),
    /// Neither old nor new, but always the same.
    Garbage(u8),
    /// Reads differently from read to read until it is erased.
    Weak(Weakness),
}

/// How far an interrupted write came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tear {
    /// The pieces before `piece` are written, `piece` is in this state, the rest is old.
    /// Behind the last piece: all is written, and only the chip's answer is missing.
    Front {
        /// The piece in progress.
        piece: usize,
        /// How it was left.
        state: State,
    },
    /// The pieces behind `piece` are written: an erasure that began at the end.
    Back {
        /// The piece in progress.
        piece: usize,
        /// How it was left.
        state: State,
    },
    /// Every piece is in this state: an erasure of the whole block at once.
    All(State),
}

impl Tear {
    /// Whether it leaves something weak.
    #[must_use]
    pub const fn is_weak(self) -> bool {
        let (Self::Front { state, .. } | Self::Back { state, .. } | Self::All(state)) = self;
        matches!(state, State::Weak(_))
    }

    /// Leaves in `place` what a torn write leaves, of pieces of `size` bytes; byte `at` was to
    /// become `new(at)`.
    pub(super) fn leave(self, size: usize, place: &mut [u8], new: impl Fn(usize) -> u8) {
        let length = place.len();
        let (written, torn, size, state) = match self {
            Self::Front { piece, state } => {
                let begun = piece.saturating_mul(size).min(length);
                (0..begun, begun..(begun + size).min(length), size, state)
            }
            Self::Back { piece, state } => {
                let ended = piece.saturating_add(1).saturating_mul(size).min(length);
                (ended..length, ended.saturating_sub(size)..ended, size, state)
            }
            Self::All(state) => (0..0, 0..length, UNIT, state),
        };
        let (bytes, begun) = (place.get_mut(written.clone()).unwrap_or_default(), written.start);
        (begun..).zip(bytes).for_each(|(at, byte)| *byte = new(at));
        let (bytes, begun) = (place.get_mut(torn.clone()).unwrap_or_default(), torn.start);
        (begun..).zip(bytes).for_each(|(at, byte)| *byte = state.byte(at % size, size, *byte, new(at)));
    }
}

/// States of a flash unit in progress: each prefix, each suffix, mixed bits, garbage, weak. None
/// reads erased three times and not for ever: memory takes that for erased.
const UNIT_STATES: [State; 28] = {
    use State::{Garbage, Mixed, Prefix, Suffix, Weak};
    use Weakness::{Fading, Noise, Rising};
    [
        Prefix(0),
        Prefix(1),
        Prefix(2),
        Prefix(3),
        Prefix(4),
        Prefix(5),
        Prefix(6),
        Prefix(7),
        Suffix(1),
        Suffix(2),
        Suffix(3),
        Suffix(4),
        Suffix(5),
        Suffix(6),
        Suffix(7),
        Mixed(0x55),
        Mixed(0xAA),
        Garbage(0x01),
        Garbage(0x5C),
        Weak(Fading(0)),
        Weak(Fading(1)),
        Weak(Fading(2)),
        Weak(Fading(3)),
        Weak(Fading(5)),
        Weak(Rising(1)),
        Weak(Rising(2)),
        Weak(Noise(1)),
        Weak(Noise(2)),
    ]
};

/// States of a byte in progress: old, mixed both ways, garbage, weak.
const BYTE_STATES: [State; 7] = {
    use State::{Garbage, Mixed, Prefix, Weak};
    use Weakness::{Fading, Noise, Rising};
    [Prefix(0), Mixed(0x55), Mixed(0xAA), Garbage(1), Weak(Fading(2)), Weak(Rising(2)), Weak(Noise(1))]
};

/// States of a flash unit at the edge of an interrupted erasure.
const EDGE_STATES: usize = 8;

/// States of a flash block that was erased as a whole.
const BLOCK_STATES: [State; 12] = {
    use State::{Garbage, Mixed, Weak};
    use Weakness::{Fading, Noise, Rising};
    [
        Mixed(0x55),
        Mixed(0xAA),
        Mixed(0x0F),
        Garbage(0x01),
        Garbage(0x5C),
        Weak(Fading(1)),
        Weak(Fading(8)),
        Weak(Fading(64)),
        Weak(Rising(1)),
        Weak(Rising(8)),
        Weak(Noise(1)),
        Weak(Noise(2)),
    ]
};

/// What is interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interrupted {
    /// A program of this many bytes.
    Program(usize),
    /// The erasure of a block of this many bytes.
    Erasure(usize),
}

/// Every tear of a write.
pub fn tears(technology: Technology, what: Interrupted) -> impl Iterator<Item = Tear> {
    let (length, erasure) = match what {
        Interrupted::Program(length) => (length, false),
        Interrupted::Erasure(length) => (length, true),
    };
    let flash = technology == Technology::Nor;
    let states: &[State] = match (flash, erasure) {
        (true, true) => UNIT_STATES.get(..EDGE_STATES).unwrap_or_default(),
        (true, false) => &UNIT_STATES,
        (false, _) => &BYTE_STATES,
    };
    let pieces = length / technology.piece();
    let done = Tear::Front { piece: pieces, state: State::Prefix(0) };
    let front = (0..pieces).flat_map(|piece| states.iter().map(move |state| (piece, *state)));
    let (back, blocks): (_, &[State]) =
        if flash && erasure { (pieces, BLOCK_STATES.as_slice()) } else { (0, &[]) };
    let back = (0..back).flat_map(|piece| states.iter().map(move |state| (piece, *state)));
    front
        .map(|(piece, state)| Tear::Front { piece, state })
        .chain(back.map(|(piece, state)| Tear::Back { piece, state }))
        .chain(blocks.iter().map(|state| Tear::All(*state)))
        .chain(core::iter::once(done))
}

impl State {
    /// Byte `at` of an interrupted piece of `size` bytes; of a weak one, what it was to become.
    pub(super) const fn byte(self, at: usize, size: usize, old: u8, new: u8) -> u8 {
        match self {
            Self::Prefix(count) => {
                if at < count {
                    new
                } else {
                    old
                }
            }
            Self::Suffix(count) => {
                if at + count >= size {
                    new
                } else {
                    old
                }
            }
            Self::Mixed(mask) => new & mask | old & !mask,
            // Of a position in a piece alone: the same garbage every time.
            Self::Garbage(seed) => {
                seed.wrapping_mul(0x6D).wrapping_add(at.to_le_bytes()[0].wrapping_mul(0x95)) ^ 0xA7
            }
            Self::Weak(_) => new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_torn_in_every_unit_and_state_once() {
        let count = |technology, what| tears(technology, what).count();
        assert_eq!(count(Technology::Nor, Interrupted::Program(24)), 3 * 28 + 1);
        assert_eq!(count(Technology::Eeprom, Interrupted::Program(24)), 24 * 7 + 1);
        assert_eq!(count(Technology::Nor, Interrupted::Erasure(1024)), 2 * 128 * 8 + 12 + 1);
        assert_eq!(count(Technology::Eeprom, Interrupted::Erasure(1024)), 1024 * 7 + 1);
    }
}
