//! Payment cryptography, in one place, so that the two ends of a MAC cannot
//! drift apart.
//!
//! [`derivation`] makes card keys from master keys, [`session_key`] makes session
//! keys from card keys, [`mac`] makes MACs under session keys. Card keys only
//! derive; messages are MACed under session keys. [`online`] is the line of a load terminal,
//! [`secure_channel`] card management's own ladder, that of GlobalPlatform.

mod chain;
pub mod derivation;
pub mod mac;
pub mod online;
mod retail;
pub mod secure_channel;
pub mod session_key;

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};

/// Sixteen secret bytes: an AES-128 key or a two-key Triple DES key. Erased when
/// dropped, compared in constant time, never shown.
#[derive(Clone)]
pub struct Key([u8; 16]);

impl Zeroize for Key {
    fn zeroize(&mut self) {
        // In one move, where an array is erased byte by byte: a purchase has many keys.
        self.0 = [0; 16];
        zeroize::optimization_barrier(self);
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for Key {}

impl Key {
    /// A key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a cipher or a vault.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// The bytes, for a vault that writes a key where it stays.
    pub const fn expose_mut(&mut self) -> &mut [u8; 16] {
        &mut self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(16 bytes, not shown)")
    }
}

impl Element for Key {
    const MIN: usize = 16;
    const MAX: usize = 16;
    const FORM: Form = Form::Secret(16, 16);
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(Self)
    }
}
