//! Command APDUs: the seven cases of ISO/IEC 7816-3 clause 12.1.
//!
//! Extended lengths are understood, so that a frame of 65,535 bytes is survived;
//! no command of this system carries more than 255 data bytes, and longer ones
//! get 6700.

use crate::declare::DATA_MAX;
use crate::status::StatusWord;

/// A command APDU, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Apdu<'a> {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Data field, at most 255 bytes.
    pub data: &'a [u8],
    /// Greatest length of the answer that is expected; 0 where none is.
    pub le: u32,
}

/// Le of one byte: 00 stands for 256.
const fn short_le(byte: u8) -> u32 {
    if byte == 0 { 256 } else { byte as u32 }
}

/// Le of two bytes: 0000 stands for 65,536.
const fn extended_le(high: u8, low: u8) -> u32 {
    let le = u16::from_be_bytes([high, low]) as u32;
    if le == 0 { 65_536 } else { le }
}

impl<'a> Apdu<'a> {
    /// Splits a command APDU. Any length that is none of the seven cases, and
    /// more than 255 data bytes, is 6700.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StatusWord> {
        let [cla, ins, p1, p2, body @ ..] = bytes else {
            return Err(StatusWord::WRONG_LENGTH);
        };
        let (data, le): (&[u8], u32) = match body {
            [] => (&[], 0),
            [le] => (&[], short_le(*le)),
            [0, high, low] => (&[], extended_le(*high, *low)),
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let (data, le) = rest.split_at_checked(length).ok_or(StatusWord::WRONG_LENGTH)?;
                match (length, le) {
                    (0, _) => return Err(StatusWord::WRONG_LENGTH),
                    (_, []) => (data, 0),
                    (_, [high, low]) => (data, extended_le(*high, *low)),
                    _ => return Err(StatusWord::WRONG_LENGTH),
                }
            }
            [lc, rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(*lc)).ok_or(StatusWord::WRONG_LENGTH)?;
                match le {
                    _ if *lc == 0 => return Err(StatusWord::WRONG_LENGTH),
                    [] => (data, 0),
                    [le] => (data, short_le(*le)),
                    _ => return Err(StatusWord::WRONG_LENGTH),
                }
            }
        };
        if data.len() > DATA_MAX {
            return Err(StatusWord::WRONG_LENGTH);
        }
        Ok(Self { cla: *cla, ins: *ins, p1: *p1, p2: *p2, data, le })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Option<(usize, u32)> {
        Apdu::parse(bytes).ok().map(|apdu| (apdu.data.len(), apdu.le))
    }

    #[test]
    fn the_seven_cases() {
        assert_eq!(parse(&[0, 1, 2, 3]), Some((0, 0)), "1");
        assert_eq!(parse(&[0, 1, 2, 3, 0]), Some((0, 256)), "2S");
        assert_eq!(parse(&[0, 1, 2, 3, 2, 8, 9]), Some((2, 0)), "3S");
        assert_eq!(parse(&[0, 1, 2, 3, 2, 8, 9, 7]), Some((2, 7)), "4S");
        assert_eq!(parse(&[0, 1, 2, 3, 0, 0, 0]), Some((0, 65_536)), "2E");
        assert_eq!(parse(&[0, 1, 2, 3, 0, 0, 1, 9]), Some((1, 0)), "3E");
        assert_eq!(parse(&[0, 1, 2, 3, 0, 0, 1, 9, 1, 0]), Some((1, 256)), "4E");
    }

    #[test]
    fn other_lengths_are_refused() {
        for bytes in [
            &[][..],
            &[0, 1, 2],
            &[0, 1, 2, 3, 2, 8],
            &[0, 1, 2, 3, 1, 8, 0, 0],
            &[0, 1, 2, 3, 0, 0],
            &[0, 1, 2, 3, 0, 0, 0, 0],
            &[0, 1, 2, 3, 0, 0, 1, 9, 1],
            &[0, 1, 2, 3, 0, 1, 0, 9],
        ] {
            assert_eq!(Apdu::parse(bytes), Err(StatusWord::WRONG_LENGTH), "{bytes:02X?}");
        }
    }
}
