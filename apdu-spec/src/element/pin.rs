//! The holder's PIN.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};

/// A PIN of 4 to 12 digits as a block of 8 bytes (ISO 9564-1, format 2: `2L`, the digits, F to
/// the end). Erased when dropped, compared in constant time, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Pin([u8; 8]);

impl Pin {
    /// Fewest digits.
    pub const MIN_DIGITS: usize = 4;
    /// Most digits.
    pub const MAX_DIGITS: usize = 12;

    /// The block of these digits, written as text.
    pub fn new(digits: &str) -> Result<Self, Malformed> {
        let length = digits.len();
        if !(Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&length) {
            return Err(Malformed);
        }
        let digit = |byte: u8| if byte.is_ascii_digit() { Ok(byte - b'0') } else { Err(Malformed) };
        let head = [2, u8::try_from(length).map_err(|_| Malformed)?];
        let mut nibbles = [0x0F; 16];
        let values = head.into_iter().map(Ok).chain(digits.bytes().map(digit));
        nibbles.iter_mut().zip(values).try_for_each(|(place, value)| value.map(|value| *place = value))?;
        let mut block = [0; 8];
        let (pairs, _) = nibbles.as_chunks::<2>();
        block.iter_mut().zip(pairs).for_each(|(byte, [high, low])| *byte = high << 4 | low);
        nibbles.zeroize();
        Ok(Self(block))
    }

    /// Whether the block is one: control, length, digits and filling.
    fn is_block(block: &[u8; 8]) -> bool {
        let [head, ..] = *block;
        let digits = usize::from(head & 0x0F);
        let nibbles = block.iter().skip(1).flat_map(|byte| [byte >> 4, byte & 0x0F]);
        head >> 4 == 2
            && (Self::MIN_DIGITS..=Self::MAX_DIGITS).contains(&digits)
            && nibbles.enumerate().all(|(at, nibble)| if at < digits { nibble < 10 } else { nibble == 0x0F })
    }
}

impl PartialEq for Pin {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Pin {}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(8 bytes, not shown)")
    }
}

impl Element for Pin {
    const MIN: usize = 8;
    const MAX: usize = 8;
    const FORM: Form = Form::Secret(8, 8);
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let block = reader.array()?;
        if Self::is_block(&block) { Ok(Self(block)) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_format_2() {
        let block = |digits| Pin::new(digits).map(|pin| pin.0);
        assert_eq!(block("1234"), Ok([0x24, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
        assert_eq!(block("12345"), Ok([0x25, 0x12, 0x34, 0x5F, 0xFF, 0xFF, 0xFF, 0xFF]));
        assert_eq!(block("123456789012"), Ok([0x2C, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0xFF]));
        for wrong in ["", "123", "1234567890123", "12a4", "12 4"] {
            assert_eq!(block(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn other_blocks_are_malformed() {
        for digits in ["1234", "98765", "123456789012"] {
            let pin = Pin::new(digits).unwrap_or_else(|_| unreachable!());
            assert_eq!(Pin::from_bytes(&pin.0), Ok(pin));
        }
        for wrong in [
            [0x14, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x23, 0x12, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x24, 0x12, 0x3A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x24, 0x12, 0x34, 0x5F, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x2D, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x3F],
        ] {
            assert_eq!(Pin::from_bytes(&wrong), Err(Malformed));
        }
    }
}
