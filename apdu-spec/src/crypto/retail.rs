//! The chain of the retail MAC (ISO/IEC 9797-1 algorithm 3): single DES over every block,
//! Triple DES over the last. Padding is the caller's.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::Des;

use super::Key;

/// The two halves of the key, ready to use.
pub(super) struct Retail {
    left: Des,
    right: Des,
}

impl Retail {
    /// Computes both key schedules.
    pub(super) fn new(key: &Key) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = *key.expose();
        Self { left: Des::new(&Array::from([a, b, c, d, e, f, g, h])), right: Des::new(&Array::from(rest)) }
    }

    /// The left half's encryption of one block.
    pub(super) fn encrypt(&self, state: u64) -> u64 {
        let mut block = Array::from(state.to_be_bytes());
        self.left.encrypt_block(&mut block);
        u64::from_be_bytes(block.into())
    }

    /// Takes the next block into the chain.
    pub(super) fn next(&self, state: u64, block: [u8; 8]) -> u64 {
        self.encrypt(state ^ u64::from_be_bytes(block))
    }

    /// The MAC of a chain whose last block has been taken.
    pub(super) fn finish(&self, state: u64) -> u64 {
        let mut block = Array::from(state.to_be_bytes());
        self.right.decrypt_block(&mut block);
        self.encrypt(u64::from_be_bytes(block.into()))
    }
}
