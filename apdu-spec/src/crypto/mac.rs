//! MACs: AES-128 CMAC (NIST SP 800-38B) and the retail MAC (ISO/IEC 9797-1
//! algorithm 3, padding method 2), truncated to eight bytes.
//!
//! CMAC is written out here, over the block cipher of the `aes` crate: measured
//! in one run, the streaming interface of the `cmac` crate costs three times as
//! much a block, and a purchase is mostly CMAC. The tests hold it against the
//! published vectors and against that crate.

use core::fmt;

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use des::Des;
use zeroize::Zeroize;

use super::Key;
use super::chain::chain;
use crate::element::{Algorithm, Mac};
use crate::signature::INPUT_MAX;
use crate::wire::Element;

/// A key that is ready to make MACs: its schedule is computed once.
pub struct MacKey(Schedule);

#[allow(clippy::large_enum_variant)] // one lives on the stack at a time; there is no heap
enum Schedule {
    Aes {
        cipher: Aes128Enc,
        subkey: u128,
    },
    /// Two DES schedules would make every key half as large again, so they are computed
    /// for each MAC.
    Des(Key),
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(not shown)")
    }
}

impl Drop for MacKey {
    fn drop(&mut self) {
        // The ciphers erase themselves.
        if let Schedule::Aes { subkey, .. } = &mut self.0 {
            subkey.zeroize();
        }
    }
}

/// Doubling in GF(2^128) (SP 800-38B clause 6.1), without a branch on the secret.
const fn double(value: u128) -> u128 {
    (value << 1) ^ ((value >> 127) * 0x87)
}

impl MacKey {
    /// Computes the key schedule.
    #[must_use]
    #[inline] // else the schedule is copied once more
    pub fn new(key: &Key, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::AesCmac => {
                let cipher = Aes128Enc::new(&Array::from(*key.expose()));
                let mut zero = Block::default();
                cipher.encrypt_block(&mut zero);
                Self(Schedule::Aes { cipher, subkey: double(u128::from_be_bytes(zero.into())) })
            }
            Algorithm::RetailMac => Self(Schedule::Des(key.clone())),
        }
    }

    /// The MAC of an input that [`signature`](crate::signature) declares.
    #[must_use]
    pub fn sign<I: Element>(&self, input: &I) -> Mac {
        const { assert!(I::MAX <= INPUT_MAX, "a MAC input is longer than its buffer") };
        let mut buffer = [0; INPUT_MAX];
        // The assertion above leaves no way to overflow.
        self.mac(input.to_slice(&mut buffer).unwrap_or_default())
    }

    /// The MAC of `message`: the first eight bytes.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Mac {
        match &self.0 {
            Schedule::Aes { cipher, subkey } => {
                let [a, b, c, d, e, f, g, h, ..] = cmac(cipher, *subkey, message);
                Mac([a, b, c, d, e, f, g, h])
            }
            Schedule::Des(key) => Mac(retail_mac(key, message).to_be_bytes()),
        }
    }

    /// The untruncated CMAC, for key derivation; nothing for a retail MAC key.
    pub(super) fn full_cmac(&self, message: &[u8]) -> Option<[u8; 16]> {
        match &self.0 {
            Schedule::Aes { cipher, subkey } => Some(cmac(cipher, *subkey, message)),
            Schedule::Des(_) => None,
        }
    }
}

/// CMAC of `message` (SP 800-38B clause 6.2).
fn cmac(cipher: &Aes128Enc, subkey: u128, message: &[u8]) -> [u8; 16] {
    let (blocks, rest) = message.as_chunks::<16>();
    let (blocks, last) = match (blocks, rest) {
        ([blocks @ .., last], []) => (blocks, xor(last, &subkey.to_be_bytes())),
        _ => (blocks, xor(&padded(rest), &double(subkey).to_be_bytes())),
    };
    chain(cipher, blocks, last)
}

fn xor(left: &[u8; 16], right: &[u8; 16]) -> [u8; 16] {
    (u128::from_ne_bytes(*left) ^ u128::from_ne_bytes(*right)).to_ne_bytes()
}

/// Retail MAC of `message` (ISO/IEC 9797-1 algorithm 3, padding method 2).
fn retail_mac(key: &Key, message: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *key.expose();
    let left = Des::new(&Array::from([a, b, c, d, e, f, g, h]));
    let right = Des::new(&Array::from(rest));
    let encrypt = |state: u64| {
        let mut block = Array::from(state.to_be_bytes());
        left.encrypt_block(&mut block);
        u64::from_be_bytes(block.into())
    };
    let (blocks, rest) = message.as_chunks::<8>();
    let mut state = 0;
    for block in blocks {
        state = encrypt(state ^ u64::from_be_bytes(*block));
    }
    state = encrypt(state ^ u64::from_be_bytes(padded::<8>(rest)));
    let mut block = Array::from(state.to_be_bytes());
    right.decrypt_block(&mut block);
    encrypt(u64::from_be_bytes(block.into()))
}

/// `rest`, then a bit 1, then zeros (padding method 2). `rest` is shorter than a block.
fn padded<const N: usize>(rest: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    let bits = rest.iter().chain(&[0x80]);
    block.iter_mut().zip(bits).for_each(|(place, byte)| *place = *byte);
    block
}
