//! The second half of the answer to INITIALIZE UPDATE: what a card opens a session with.

use super::{Scp03Variant, Token};
use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};

/// Protocol, challenge and cryptogram of the card. 17 bytes in SCP02; 18 in SCP03, 34 in
/// mode S16, with three more where the challenge is pseudo-random.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// `02 | sequence (2) | challenge (6) | cryptogram (8)` (Card Specification 2.3.1, E.5.1).
    Scp02 {
        /// Sequence counter of the key version.
        sequence: u16,
        /// The card's challenge.
        challenge: [u8; 6],
        /// The card's cryptogram.
        cryptogram: [u8; 8],
    },
    /// `03 | i | challenge (8 or 16) | cryptogram (8 or 16) | sequence (3)` (Amendment D v1.2,
    /// clause 7.1.1).
    Scp03 {
        /// Parameter i.
        variant: Scp03Variant,
        /// The card's challenge.
        challenge: Token,
        /// The card's cryptogram.
        cryptogram: Token,
        /// Sequence counter of the key version; it travels where the challenge is computed
        /// from it.
        sequence: [u8; 3],
    },
}

impl Opening {
    /// The card's cryptogram.
    pub(super) const fn cryptogram(&self) -> Token {
        match self {
            Self::Scp02 { cryptogram, .. } => Token::short(*cryptogram),
            Self::Scp03 { cryptogram, .. } => *cryptogram,
        }
    }

    /// The same with this cryptogram.
    pub(super) fn with(self, cryptogram: Token) -> Self {
        match self {
            Self::Scp02 { sequence, challenge, .. } => {
                let cryptogram = cryptogram.as_slice().try_into().unwrap_or_default();
                Self::Scp02 { sequence, challenge, cryptogram }
            }
            Self::Scp03 { variant, challenge, sequence, .. } => {
                Self::Scp03 { variant, challenge, cryptogram, sequence }
            }
        }
    }
}

impl Element for Opening {
    const MIN: usize = 17;
    const MAX: usize = 37;
    const FORM: Form = Form::Octets(Self::MIN, Self::MAX);

    fn encode(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Scp02 { sequence, challenge, cryptogram } => {
                writer.put(&[0x02]);
                sequence.encode(writer);
                writer.put(challenge);
                writer.put(cryptogram);
            }
            Self::Scp03 { variant, challenge, cryptogram, sequence } => {
                writer.put(&[0x03, variant.byte()]);
                challenge.encode(writer);
                cryptogram.encode(writer);
                if variant.is_pseudo_random() {
                    writer.put(sequence);
                }
            }
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.byte()? {
            0x02 => Ok(Self::Scp02 {
                sequence: Element::decode(reader)?,
                challenge: reader.array()?,
                cryptogram: reader.array()?,
            }),
            0x03 => {
                let variant = Scp03Variant::decode(reader)?;
                let length = variant.mode().length();
                let challenge = Token::from_slice(reader.take(length)?)?;
                let cryptogram = Token::from_slice(reader.take(length)?)?;
                let sequence = if variant.is_pseudo_random() { reader.array()? } else { [0; 3] };
                Ok(Self::Scp03 { variant, challenge, cryptogram, sequence })
            }
            _ => Err(Malformed),
        }
    }
}
