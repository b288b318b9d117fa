//! Application identifiers (ISO/IEC 7816-4 clause 12.2.3), and the kinds of applications.
//!
//! Ours begin with F0 (proprietary, not registered) and have six bytes, because every byte of
//! a SELECT is sent at every tap. Those of the file views are their schemes' own.

use core::fmt;

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer, hex};

/// An application identifier, or the front part of one: up to 16 bytes. The empty one is the
/// front part of all, and the issuer security domain is the first of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Aid(heapless::Vec<u8, 16>);

impl Aid {
    /// The issuer security domain (GlobalPlatform Card Specification 2.3.1, appendix H.1.3).
    pub const SECURITY_DOMAIN: &'static [u8] = b"\xA0\x00\x00\x01\x51\x00\x00\x00";
    /// The purse (IEP).
    pub const PURSE: &'static [u8] = b"\xF0PURSE";
    /// The security module of a payment terminal (PSAM).
    pub const PSAM: &'static [u8] = b"\xF0PSAM1";
    /// The transfer card.
    pub const TRANSFER: &'static [u8] = b"\xF0TRANS";
    /// The file view of a Geldkarte.
    pub const GELDKARTE: &'static [u8] = b"\xD2\x76\x00\x00\x25\x45\x50\x02\x00";
    /// The name under which Moneo readers look for the same files.
    pub const MONEO: &'static [u8] = b"\xA0\x00\x00\x00\x69\x00";
    /// The file view of a Quick card.
    pub const QUICK: &'static [u8] = b"\xD0\x40\x00\x00\x01\x00\x00\x02";

    /// All of them, as people name them.
    pub const NAMED: &'static [(&'static str, &'static [u8])] = &[
        ("purse", Self::PURSE),
        ("psam", Self::PSAM),
        ("transfer", Self::TRANSFER),
        ("isd", Self::SECURITY_DOMAIN),
    ];

    /// Copies up to 16 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, Malformed> {
        heapless::Vec::from_slice(bytes).map(Self).map_err(|_| Malformed)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// Runs to the end of the data field.
impl Element for Aid {
    const MIN: usize = 0;
    const MAX: usize = 16;
    const FORM: Form = Form::Aid;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(reader.rest())
    }
}

/// What kinds of applications there are, with their codes in a card's registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ApplicationKind {
    /// The purse.
    Purse = 0x01,
    /// The security module of a payment terminal.
    Sam = 0x02,
    /// The transfer card.
    Transfer = 0x03,
}

impl ApplicationKind {
    /// The kind of a code.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Purse),
            0x02 => Some(Self::Sam),
            0x03 => Some(Self::Transfer),
            _ => None,
        }
    }

    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Purse, Self::Sam, Self::Transfer];

    /// The executable load file that it is installed from.
    #[must_use]
    pub const fn load_file(self) -> &'static [u8] {
        match self {
            Self::Purse => b"\xF0PURSE.file",
            Self::Sam => b"\xF0PSAM1.file",
            Self::Transfer => b"\xF0TRANS.file",
        }
    }

    /// The module in its load file.
    #[must_use]
    pub const fn module(self) -> &'static [u8] {
        match self {
            Self::Purse => b"\xF0PURSE.module",
            Self::Sam => b"\xF0PSAM1.module",
            Self::Transfer => b"\xF0TRANS.module",
        }
    }

    /// The name of its application, where none is given.
    #[must_use]
    pub const fn aid(self) -> &'static [u8] {
        match self {
            Self::Purse => Aid::PURSE,
            Self::Sam => Aid::PSAM,
            Self::Transfer => Aid::TRANSFER,
        }
    }
}
