//! A quick digest of 64 bits. Sets of millions of images are kept as digests, and making
//! them must cost little beside a power-up.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Folds word by word: a multiplication to 128 bits, high and low half taken together.
#[derive(Clone, Default)]
pub struct Digest(u64);

impl Digest {
    /// The digest of one value.
    pub fn of(value: impl Hash) -> u64 {
        let mut digest = Self::default();
        value.hash(&mut digest);
        digest.finish()
    }

    fn fold(&mut self, word: u64) {
        let (low, high) = (self.0 ^ word ^ 0x9E37_79B9_7F4A_7C15).carrying_mul(0xD6E8_FEB8_6659_FD93, 0);
        self.0 = high ^ low ^ self.0.rotate_left(23);
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.fold(u64::from_le_bytes(last));
        self.fold(bytes.len() as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For sets of digests: they need no hashing.
#[derive(Clone, Default)]
pub struct Same(u64);

impl Hasher for Same {
    fn write(&mut self, bytes: &[u8]) {
        unreachable!("{} bytes, not a digest", bytes.len());
    }
    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Digests that have been met, and what came of each.
pub type Met<T> = std::collections::HashMap<u64, T, BuildHasherDefault<Same>>;
