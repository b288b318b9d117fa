//! AES for SCP03: CMAC and cipher block chaining under keys of 16, 24 and 32 bytes. The key
//! schedule lives for one call.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc, Block};
use cmac::{Cmac, Mac};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::wire::Malformed;

/// A key of one of the three lengths.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) enum AesKey {
    Aes128([u8; 16]),
    Aes192([u8; 24]),
    Aes256([u8; 32]),
}

impl AesKey {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes.len() {
            16 => bytes.try_into().map(Self::Aes128),
            24 => bytes.try_into().map(Self::Aes192),
            _ => bytes.try_into().map(Self::Aes256),
        }
        .map_err(|_| Malformed)
    }

    pub(super) const fn expose(&self) -> &[u8] {
        match self {
            Self::Aes128(key) => key,
            Self::Aes192(key) => key,
            Self::Aes256(key) => key,
        }
    }

    /// A key of this length from the front of `bytes`.
    pub(super) fn alike(&self, bytes: [u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, ..] = bytes;
        match self {
            Self::Aes128(_) => Self::Aes128([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]),
            Self::Aes192(_) => {
                Self::Aes192([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x])
            }
            Self::Aes256(_) => Self::Aes256(bytes),
        }
    }

    /// CMAC (NIST SP 800-38B) of the parts, one behind the other.
    pub(super) fn cmac(&self, parts: &[&[u8]]) -> [u8; 16] {
        match self {
            Self::Aes128(key) => cmac(<Cmac<Aes128Enc> as KeyInit>::new(key.into()), parts),
            Self::Aes192(key) => cmac(<Cmac<Aes192Enc> as KeyInit>::new(key.into()), parts),
            Self::Aes256(key) => cmac(<Cmac<Aes256Enc> as KeyInit>::new(key.into()), parts),
        }
    }

    /// Encrypts whole blocks in cipher block chaining.
    pub(super) fn encrypt(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(key) => encrypt(&Aes128Enc::new(key.into()), iv, data),
            Self::Aes192(key) => encrypt(&Aes192Enc::new(key.into()), iv, data),
            Self::Aes256(key) => encrypt(&Aes256Enc::new(key.into()), iv, data),
        }
    }

    /// Decrypts whole blocks in cipher block chaining.
    pub(super) fn decrypt(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
            Self::Aes128(key) => decrypt(&Aes128Dec::new(key.into()), iv, data),
            Self::Aes192(key) => decrypt(&Aes192Dec::new(key.into()), iv, data),
            Self::Aes256(key) => decrypt(&Aes256Dec::new(key.into()), iv, data),
        }
    }

    /// One block alone.
    pub(super) fn encrypt_block(&self, mut block: [u8; 16]) -> [u8; 16] {
        self.encrypt([0; 16], &mut block);
        block
    }
}

fn cmac(mut mac: impl Mac<OutputSize = U16>, parts: &[&[u8]]) -> [u8; 16] {
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn encrypt(cipher: &impl BlockCipherEncrypt<BlockSize = U16>, iv: [u8; 16], data: &mut [u8]) {
    let mut state = Block::from(iv);
    for block in data.as_chunks_mut::<16>().0 {
        state.iter_mut().zip(&*block).for_each(|(state, byte)| *state ^= byte);
        cipher.encrypt_block(&mut state);
        *block = state.into();
    }
}

fn decrypt(cipher: &impl BlockCipherDecrypt<BlockSize = U16>, iv: [u8; 16], data: &mut [u8]) {
    let mut before = iv;
    for block in data.as_chunks_mut::<16>().0 {
        let mut state = Block::from(*block);
        cipher.decrypt_block(&mut state);
        state.iter_mut().zip(before).for_each(|(state, byte)| *state ^= byte);
        before = core::mem::replace(block, state.into());
    }
}
