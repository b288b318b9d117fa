//! Weak pieces: they read differently from read to read until their block is erased.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::platform::UNIT;

/// How a weak piece reads, of which a write came only half way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Weakness {
    /// New this many times, then old; 0: old and new in turn.
    Fading(u8),
    /// Old this many times, then new.
    Rising(u8),
    /// Each bit old or new at random, drawn anew for every read, from this seed.
    Noise(u8),
}

/// Where a weak piece is, and what it was before the write.
#[derive(Debug)]
pub(super) struct WeakPiece<const N: usize> {
    pub(super) address: usize,
    pub(super) length: usize,
    weakness: Weakness,
    old: [u8; N],
    /// How often it was read. Atomic, so that images may be shared between threads.
    reads: AtomicU32,
}

impl<const N: usize> Clone for WeakPiece<N> {
    fn clone(&self) -> Self {
        let reads = AtomicU32::new(self.reads.load(Relaxed));
        Self { reads, ..*self }
    }
}

/// A weak unit or byte.
pub(super) type WeakUnit = WeakPiece<UNIT>;

impl<const N: usize> WeakPiece<N> {
    /// A weak piece at `address`, whose bytes were `old` before.
    pub(super) fn new(address: usize, old: &[u8], weakness: Weakness) -> Self {
        let mut kept = [0xFF; N];
        kept.iter_mut().zip(old).for_each(|(place, byte)| *place = *byte);
        Self { address, length: old.len().min(N), weakness, old: kept, reads: AtomicU32::new(0) }
    }

    /// Whether it lies in these addresses.
    pub(super) const fn touches(&self, address: usize, length: usize) -> bool {
        address < self.address + self.length && self.address < address + length
    }

    /// Corrects what was read at `address`: one read of this piece.
    pub(super) fn read(&self, address: usize, buffer: &mut [u8]) {
        if !self.touches(address, buffer.len()) {
            return;
        }
        let read = self.reads.load(Relaxed);
        self.reads.store(read.saturating_add(1), Relaxed);
        for (at, byte) in (address..).zip(buffer) {
            let place = at.checked_sub(self.address).filter(|place| *place < self.length);
            if let Some(old) = place.and_then(|place| self.old.get(place)) {
                let from_old = self.mask(read, at);
                *byte = *byte & !from_old | old & from_old;
            }
        }
    }

    /// What it reads from now on, where that is always the same.
    pub(super) fn settled(&self, new: &[u8; N]) -> Option<[u8; N]> {
        let read = self.reads.load(Relaxed);
        match self.weakness {
            Weakness::Fading(count) if count > 0 && read >= u32::from(count) => Some(self.old),
            Weakness::Rising(count) if read >= u32::from(count) => Some(*new),
            _ => None,
        }
    }

    /// All that its next readings depend on.
    pub(super) fn state(&self) -> (usize, Weakness, [u8; N], u32) {
        (self.address, self.weakness, self.old, self.reads.load(Relaxed))
    }

    /// What byte `at` reads next, of this piece.
    pub(super) fn peek(&self, at: usize, byte: u8) -> Option<u8> {
        let place = at.checked_sub(self.address).filter(|place| *place < self.length)?;
        let from_old = self.mask(self.reads.load(Relaxed), at);
        self.old.get(place).map(|old| byte & !from_old | old & from_old)
    }

    /// It was programmed all the same: it now wavers between that and what was begun before.
    pub(super) fn program(&mut self, address: usize, bytes: &[u8]) {
        for (at, byte) in (address..).zip(bytes) {
            let place = at.checked_sub(self.address).filter(|place| *place < self.length);
            if let Some(old) = place.and_then(|place| self.old.get_mut(place)) {
                *old = *byte;
            }
        }
    }

    /// The bits of a byte that read old this time.
    const fn mask(&self, read: u32, at: usize) -> u8 {
        let old = match self.weakness {
            Weakness::Fading(0) => read.is_multiple_of(2),
            Weakness::Fading(count) => read >= count as u32,
            Weakness::Rising(count) => read < count as u32,
            Weakness::Noise(seed) => {
                let mixed = (read as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (at as u64) << 17;
                let mixed = (mixed ^ seed as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                return mixed.to_be_bytes()[1];
            }
        };
        if old { 0xFF } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a piece that was 00 and should be FF reads, five times.
    fn reads(weakness: Weakness) -> [u8; 5] {
        let piece = WeakUnit::new(8, &[0; 8], weakness);
        core::array::from_fn(|_| {
            let mut buffer = [0xFF; 4];
            piece.read(10, &mut buffer);
            buffer[0]
        })
    }

    #[test]
    fn weak_bits_change_between_reads() {
        assert_eq!(reads(Weakness::Fading(2)), [0xFF, 0xFF, 0, 0, 0]);
        assert_eq!(reads(Weakness::Fading(0)), [0, 0xFF, 0, 0xFF, 0]);
        assert_eq!(reads(Weakness::Rising(1)), [0, 0xFF, 0xFF, 0xFF, 0xFF]);
        let noise = reads(Weakness::Noise(1));
        assert!(noise.windows(2).all(|pair| pair[0] != pair[1]), "{noise:?}");
    }
}
