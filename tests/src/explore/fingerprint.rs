//! 64 bits that stand for a state.
//!
//! States are hashed 20 times each, most of them field by field: this takes a word in a few
//! instructions. Each word goes through a bijection of what was there before, so that
//! nothing that two states differ in is lost on the way, save by chance.

use std::hash::{BuildHasher, Hash, Hasher};

/// The fingerprint of a state.
pub(super) fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = Mixing(0);
    state.hash(&mut hasher);
    hasher.finish()
}

struct Mixing(u64);

impl Hasher for Mixing {
    fn write_u64(&mut self, word: u64) {
        // The constants of David Stafford's 13th mixer of 64 bits.
        let mixed = (self.0 ^ word).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        self.0 = (mixed ^ (mixed >> 27)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Takes a fingerprint as it is.
#[derive(Default)]
pub(super) struct Plain(u64);

impl Hasher for Plain {
    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("fingerprints are numbers");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BuildHasher for Plain {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}
