//! Padding: a byte 80, then zeros up to whole blocks, always at least one byte (ISO/IEC
//! 9797-1, padding method 2; Card Specification 2.3.1, appendix B).

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Error;

/// The length of `data` bytes with their padding.
pub(super) const fn padded(data: usize, block: usize) -> usize {
    (data / block + 1) * block
}

/// Pads the first `data` bytes of `body` in place; the padded part.
pub(super) fn pad(body: &mut [u8], data: usize, block: usize) -> Result<&mut [u8], Error> {
    let whole = body.get_mut(..padded(data, block)).ok_or(Error::Buffer)?;
    for (place, byte) in whole.iter_mut().skip(data).zip([0x80].into_iter().chain(core::iter::repeat(0))) {
        *place = byte;
    }
    Ok(whole)
}

/// How many bytes the padding at the end of one block has, and whether it is one. The time
/// does not depend on what the block holds.
pub(super) fn length(block: &[u8]) -> (u8, Choice) {
    let (mut length, mut found, mut wrong) = (0_u8, Choice::from(0), Choice::from(0));
    for byte in block.iter().rev() {
        length = length.wrapping_add(1 & !found.unwrap_u8());
        let first = byte.ct_eq(&0x80) & !found;
        wrong |= !byte.ct_eq(&0) & !first & !found;
        found |= first;
    }
    let valid = found & !wrong;
    (u8::conditional_select(&1, &length, valid), valid)
}

/// The length of whole blocks of data without their padding.
pub(super) fn unpadded(data: &[u8], block: usize) -> Result<usize, Error> {
    let last = data.len().checked_sub(block).and_then(|start| data.get(start..)).ok_or(Error::Padding)?;
    let (length, valid) = length(last);
    if bool::from(valid) { Ok(data.len() - usize::from(length)) } else { Err(Error::Padding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        for data in 0..40 {
            let mut body = [0x80; 48];
            let whole = pad(&mut body, data, 8).expect("room");
            assert_eq!(whole.len() % 8, 0);
            assert_eq!(unpadded(whole, 8), Ok(data));
        }
    }

    #[test]
    fn what_is_no_padding_is_refused() {
        for block in [[0; 8], [1; 8], [0x80, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0x81, 0, 0]] {
            assert_eq!(unpadded(&block, 8), Err(Error::Padding));
        }
        assert_eq!(unpadded(&[], 8), Err(Error::Padding));
    }
}
