//! Two-key Triple DES for SCP02: cipher block chaining, and blocks each alone.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::TdesEde2;

use crate::crypto::Key;

/// Encrypts whole blocks in cipher block chaining, from an IV of zeros.
pub(super) fn encrypt(key: &Key, data: &mut [u8]) {
    let cipher = TdesEde2::new(key.expose().into());
    let mut state = 0;
    for block in data.as_chunks_mut::<8>().0 {
        let mut mixed = Array::from((state ^ u64::from_be_bytes(*block)).to_be_bytes());
        cipher.encrypt_block(&mut mixed);
        *block = mixed.into();
        state = u64::from_be_bytes(*block);
    }
}

/// Decrypts whole blocks in cipher block chaining, from an IV of zeros.
pub(super) fn decrypt(key: &Key, data: &mut [u8]) {
    let cipher = TdesEde2::new(key.expose().into());
    let mut before = 0;
    for block in data.as_chunks_mut::<8>().0 {
        let mut plain = Array::from(*block);
        cipher.decrypt_block(&mut plain);
        let plain = before ^ u64::from_be_bytes(plain.into());
        before = u64::from_be_bytes(*block);
        *block = plain.to_be_bytes();
    }
}

/// Encrypts whole blocks, each alone.
pub(super) fn encrypt_blocks(key: &Key, data: &mut [u8]) {
    let cipher = TdesEde2::new(key.expose().into());
    for block in data.as_chunks_mut::<8>().0 {
        cipher.encrypt_block(block.into());
    }
}

/// Decrypts whole blocks, each alone.
pub(super) fn decrypt_blocks(key: &Key, data: &mut [u8]) {
    let cipher = TdesEde2::new(key.expose().into());
    for block in data.as_chunks_mut::<8>().0 {
        cipher.decrypt_block(block.into());
    }
}
