//! Challenges, cryptograms and MACs: 8 bytes each in mode S8, 16 in mode S16 (Amendment D
//! v1.2, clause 4.1). SCP02 knows 8 bytes only.

use core::fmt;

use subtle::ConstantTimeEq;

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer, hex};

/// Length of challenges, cryptograms and MACs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// 8 bytes.
    S8,
    /// 16 bytes.
    S16,
}

impl Mode {
    /// The length in bytes.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::S8 => 8,
            Self::S16 => 16,
        }
    }

    /// The mode of a length.
    pub const fn of_length(length: usize) -> Result<Self, Malformed> {
        match length {
            8 => Ok(Self::S8),
            16 => Ok(Self::S16),
            _ => Err(Malformed),
        }
    }
}

/// A challenge, a cryptogram or a MAC: 8 or 16 bytes. Compared in constant time. Last field
/// of a layout only.
#[derive(Clone, Copy, Eq)]
pub struct Token {
    /// Zero behind the length.
    bytes: [u8; 16],
    mode: Mode,
}

impl Token {
    /// The first bytes, as many as the mode has.
    #[must_use]
    pub fn new(mode: Mode, mut bytes: [u8; 16]) -> Self {
        if mode == Mode::S8 {
            bytes.iter_mut().skip(8).for_each(|byte| *byte = 0);
        }
        Self { bytes, mode }
    }

    /// A token of eight bytes.
    #[must_use]
    pub const fn short([a, b, c, d, e, f, g, h]: [u8; 8]) -> Self {
        Self { bytes: [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0], mode: Mode::S8 }
    }

    /// 8 or 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Malformed> {
        let mode = Mode::of_length(bytes.len())?;
        let mut token = Self { bytes: [0; 16], mode };
        token.bytes.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        Ok(token)
    }

    /// Its mode.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.mode.length()).unwrap_or_default()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.mode == other.mode && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, self.as_slice())
    }
}

impl Element for Token {
    const MIN: usize = 8;
    const MAX: usize = 16;
    const FORM: Form = Form::Octets(Self::MIN, Self::MAX);
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(self.as_slice());
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::from_slice(reader.rest())
    }
}
