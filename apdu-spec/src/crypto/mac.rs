//! MACs: AES-128 CMAC (NIST SP 800-38B) and the retail MAC (ISO/IEC 9797-1
//! algorithm 3, padding method 2), truncated to eight bytes.
//!
//! CMAC is written out here, over the block cipher of the `aes` crate: measured
//! in one run, the streaming interface of the `cmac` crate costs three times as
//! much a block, and a purchase is mostly CMAC. The tests hold it against the
//! published vectors and against that crate. Signing is not inlined, so that both ends of
//! a MAC run the same code: a purchase is long, and the cache for code is small.

use core::fmt;

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use zeroize::Zeroize;

use super::Key;
use super::chain::chain;
use super::retail::Retail;
use crate::element::{Algorithm, Mac};
use crate::signature::INPUT_MAX;
use crate::wire::{Element, Writer};

/// A key that makes more than one MAC: its schedule is computed once, and stays where it is.
pub struct MacKey(Schedule);

#[allow(clippy::large_enum_variant)] // there is no heap
enum Schedule {
    Aes(CmacKey),
    /// Two DES schedules would make every key half as large again, so they are computed
    /// for each MAC.
    Des(Key),
}

/// The first of the two subkeys (SP 800-38B clause 6.1), and the cipher behind it, where it
/// is aligned.
struct CmacKey {
    subkey: u128,
    cipher: Aes128Enc,
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(not shown)")
    }
}

impl Drop for CmacKey {
    fn drop(&mut self) {
        // The cipher erases itself.
        self.subkey.zeroize();
    }
}

/// A key that makes one MAC. Its schedule is computed, used and erased in one place:
/// a schedule that has just been written is slow to move.
#[derive(Debug)]
pub struct OneTimeKey {
    key: Key,
    algorithm: Algorithm,
}

impl OneTimeKey {
    /// A key for one MAC.
    #[must_use]
    #[inline]
    pub const fn new(key: Key, algorithm: Algorithm) -> Self {
        Self { key, algorithm }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The MAC of an input that [`signature`](crate::signature) declares.
    #[must_use]
    #[inline(never)]
    pub fn sign<I: Element>(&self, input: &I) -> Mac {
        let mut message = Message::new();
        let message = message.write_input(input);
        match self.algorithm {
            Algorithm::AesCmac => truncated(cmac_once(&self.key, message.front(), message.last())),
            Algorithm::RetailMac => Mac(retail_mac(&self.key, message.bytes()).to_be_bytes()),
        }
    }
}

/// Doubling in GF(2^128) (SP 800-38B clause 6.1), without a branch on the secret.
const fn double(value: u128) -> u128 {
    (value << 1) ^ ((value >> 127) * 0x87)
}

/// The first subkey (SP 800-38B clause 6.1).
#[inline]
fn subkey(cipher: &Aes128Enc) -> u128 {
    let mut zero = Block::default();
    cipher.encrypt_block(&mut zero);
    double(u128::from_be_bytes(zero.into()))
}

impl MacKey {
    /// Computes the key schedule.
    #[must_use]
    pub fn new(key: &Key, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::AesCmac => {
                let cipher = Aes128Enc::new(&Array::from(*key.expose()));
                Self(Schedule::Aes(CmacKey { subkey: subkey(&cipher), cipher }))
            }
            Algorithm::RetailMac => Self(Schedule::Des(key.clone())),
        }
    }

    /// What it was made for.
    #[inline]
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Schedule::Aes(_) => Algorithm::AesCmac,
            Schedule::Des(_) => Algorithm::RetailMac,
        }
    }

    /// The MAC of an input that [`signature`](crate::signature) declares.
    #[must_use]
    #[inline(never)]
    pub fn sign<I: Element>(&self, input: &I) -> Mac {
        let mut message = Message::new();
        let message = message.write_input(input);
        match self.full_cmac(message) {
            Ok(cmac) => truncated(cmac),
            Err(key) => Mac(retail_mac(key, message.bytes()).to_be_bytes()),
        }
    }

    /// The MAC of `message`: the first eight bytes.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Mac {
        match &self.0 {
            Schedule::Aes(key) => {
                let (front, end) = message.split_at(message.len().saturating_sub(1) / 16 * 16);
                let mut last = Message::<1>::new();
                truncated(cmac(key, front.as_chunks().0, last.write(|writer| writer.put(end)).last()))
            }
            Schedule::Des(key) => Mac(retail_mac(key, message).to_be_bytes()),
        }
    }

    /// The untruncated CMAC, for key derivation; of a retail MAC key, the key itself.
    #[inline(always)]
    pub(super) fn full_cmac<const BLOCKS: usize>(&self, message: &Message<BLOCKS>) -> Result<[u8; 16], &Key> {
        match &self.0 {
            Schedule::Aes(key) => Ok(cmac(key, message.front(), message.last())),
            Schedule::Des(key) => Err(key),
        }
    }
}

/// Blocks of the longest input.
const INPUT_BLOCKS: usize = INPUT_MAX.div_ceil(16);

/// A message in a buffer of whole blocks, zero behind its end, so that it is padded where
/// it stands.
pub(super) struct Message<const BLOCKS: usize> {
    blocks: [[u8; 16]; BLOCKS],
    length: usize,
}

impl<const BLOCKS: usize> Message<BLOCKS> {
    /// No message yet.
    #[inline]
    pub(super) const fn new() -> Self {
        Self { blocks: [[0; 16]; BLOCKS], length: 0 }
    }

    /// Writes the message, in place; it stays empty where it does not fit.
    #[inline]
    pub(super) fn write(&mut self, encode: impl FnOnce(&mut Writer<'_>)) -> &Self {
        let mut writer = Writer::new(self.blocks.as_flattened_mut());
        encode(&mut writer);
        self.length = writer.finish().map_or(0, <[u8]>::len);
        self
    }

    /// The message.
    pub(super) fn bytes(&self) -> &[u8] {
        self.blocks.as_flattened().get(..self.length).unwrap_or_default()
    }

    /// All blocks but the last.
    pub(super) fn front(&self) -> &[[u8; 16]] {
        self.blocks.get(..self.length.saturating_sub(1) / 16).unwrap_or_default()
    }

    /// The last block.
    pub(super) fn last(&self) -> Last {
        let before = self.length.saturating_sub(1) / 16;
        (self.blocks.get(before).copied().unwrap_or_default(), self.length - before * 16)
    }
}

impl Message<INPUT_BLOCKS> {
    /// Writes an input that [`signature`](crate::signature) declares.
    #[inline]
    fn write_input<I: Element>(&mut self, input: &I) -> &Self {
        const { assert!(I::MAX <= INPUT_MAX, "a MAC input is longer than its buffer") };
        self.write(|writer| input.encode(writer))
    }
}

const fn truncated(cmac: [u8; 16]) -> Mac {
    let [a, b, c, d, e, f, g, h, ..] = cmac;
    Mac([a, b, c, d, e, f, g, h])
}

/// A last block, zero behind the bytes that count, and how many these are.
type Last = ([u8; 16], usize);

/// CMAC of `blocks` and a last one (SP 800-38B clause 6.2).
#[inline]
fn cmac(key: &CmacKey, blocks: &[[u8; 16]], last: Last) -> [u8; 16] {
    let mut mac = [0; 16];
    chain(&key.cipher, blocks, &masked(last, key.subkey), &mut mac);
    mac
}

/// CMAC under a key that is used once.
pub(super) fn cmac_once(key: &Key, blocks: &[[u8; 16]], last: Last) -> [u8; 16] {
    let cipher = Aes128Enc::new(&Array::from(*key.expose()));
    let mut subkey = subkey(&cipher);
    let mut mac = [0; 16];
    chain(&cipher, blocks, &masked(last, subkey), &mut mac);
    subkey.zeroize();
    mac
}

/// The last block, padded with a bit 1 where it is not whole, under its subkey.
#[inline]
fn masked((last, length): Last, subkey: u128) -> [u8; 16] {
    let last = u128::from_be_bytes(last);
    let masked = match length {
        16 => last ^ subkey,
        _ => last ^ (0x80 << (120 - 8 * length)) ^ double(subkey),
    };
    masked.to_be_bytes()
}

/// Retail MAC of `message` (ISO/IEC 9797-1 algorithm 3, padding method 2).
fn retail_mac(key: &Key, message: &[u8]) -> u64 {
    let retail = Retail::new(key);
    let (blocks, rest) = message.as_chunks::<8>();
    let state = blocks.iter().fold(0, |state, block| retail.next(state, *block));
    retail.finish(retail.next(state, padded::<8>(rest)))
}

/// `rest`, then a bit 1, then zeros (padding method 2). `rest` is shorter than a block.
fn padded<const N: usize>(rest: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    let bits = rest.iter().chain(&[0x80]);
    block.iter_mut().zip(bits).for_each(|(place, byte)| *place = *byte);
    block
}
