//! Numbers in packed decimal digits (BCD), as the file views of older purses have them.

use core::fmt;

use crate::element::{Date, Time};
use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};

/// A number of `2 * N` decimal digits in `N` bytes, most significant digit first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bcd<const N: usize>(u64);

impl<const N: usize> Bcd<N> {
    /// The greatest number.
    pub const MAX: u64 = {
        assert!(N <= 9, "more digits than a u64 holds");
        #[allow(clippy::cast_possible_truncation)] // at most 9
        let digits = N as u32;
        100_u64.pow(digits) - 1
    };

    /// The number, or the greatest one where it has too many digits.
    #[must_use]
    pub const fn saturating(number: u64) -> Self {
        if number < Self::MAX { Self(number) } else { Self(Self::MAX) }
    }

    /// The number, unless it has too many digits.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The last digits of a number, where a counter is wider than its place.
    #[must_use]
    pub const fn last_digits(number: u64) -> Self {
        Self(number % (Self::MAX + 1))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Bcd<4> {
    /// `YYYYMMDD`
    #[must_use]
    pub const fn day(date: Date) -> Self {
        let (year, month, day) = date.civil();
        Self((year * 10_000 + month * 100 + day) as u64)
    }
}

impl Bcd<3> {
    /// `YYMMDD`
    #[must_use]
    pub const fn short_day(date: Date) -> Self {
        Self(Bcd::<4>::day(date).get() % 1_000_000)
    }

    /// `hhmmss`
    #[must_use]
    pub const fn time_of_day(time: Time) -> Self {
        let second = time.0 % 86_400;
        Self((second / 3_600 * 10_000 + second / 60 % 60 * 100 + second % 60) as u64)
    }
}

impl Bcd<2> {
    /// `YYMM`
    #[must_use]
    pub const fn month(date: Date) -> Self {
        Self(Bcd::<3>::short_day(date).get() / 100)
    }
}

impl<const N: usize> fmt::Debug for Bcd<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.0, width = 2 * N)
    }
}

impl<const N: usize> Element for Bcd<N> {
    const MIN: usize = N;
    const MAX: usize = N;
    // Their hexadecimal digits are the number's.
    const FORM: Form = Form::Bytes(N);

    fn encode(&self, writer: &mut Writer<'_>) {
        let mut left = self.0;
        let mut bytes = [0; N];
        for byte in bytes.iter_mut().rev() {
            // Below 100, so both digits are below ten.
            let pair = u8::try_from(left % 100).unwrap_or(0);
            *byte = pair / 10 * 16 + pair % 10;
            left /= 100;
        }
        writer.put(&bytes);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let digits = reader.array::<N>()?.into_iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
        digits
            .into_iter()
            .try_fold(0, |number, digit| (digit < 10).then(|| number * 10 + u64::from(digit)))
            .map(Self)
            .ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_packed() {
        let mut buffer = [0; 3];
        assert_eq!(Bcd::<3>::saturating(1_250).to_slice(&mut buffer), Ok(&[0x00, 0x12, 0x50][..]));
        assert_eq!(Bcd::<3>::from_bytes(&[0x00, 0x12, 0x50]).map(Bcd::get), Ok(1_250));
        assert_eq!(Bcd::<3>::from_bytes(&[0x00, 0x1A, 0x50]), Err(Malformed));
    }

    #[test]
    fn a_number_that_is_too_wide_is_the_greatest_or_its_last_digits() {
        assert_eq!(Bcd::<2>::saturating(12_345).get(), 9_999);
        assert_eq!(Bcd::<2>::last_digits(12_345).get(), 2_345);
        assert_eq!(Bcd::<2>::new(10_000), None);
    }

    #[test]
    fn days_and_times() {
        let time = Time(951_827_696); // 2000-02-29T12:34:56Z
        assert_eq!(Bcd::day(time.date()).get(), 20_000_229);
        assert_eq!(Bcd::short_day(time.date()).get(), 229);
        assert_eq!(Bcd::month(time.date()).get(), 2);
        assert_eq!(Bcd::time_of_day(time).get(), 123_456);
    }
}
