//! Amounts, balances and currencies: integer minor units.

use core::fmt;

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};
use crate::{layout, transparent};

/// An amount of a transaction in minor units: 4 bytes, 0 to 2,147,483,647.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Amount(u32);

impl Amount {
    /// The greatest amount; every amount is also a balance.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// The amount, unless it is above [`Amount::MAX`].
    #[must_use]
    pub const fn new(minor: u32) -> Option<Self> {
        if minor <= Self::MAX.0 { Some(Self(minor)) } else { None }
    }

    /// Minor units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Minor units, as a number that balances are computed with.
    #[must_use]
    pub const fn signed(self) -> i32 {
        self.0.cast_signed()
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Element for Amount {
    const MIN: usize = 4;
    const MAX: usize = 4;
    const FORM: Form = Form::Unsigned { width: 4, max: i32::MAX as u64 };
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(u32::decode(reader)?).ok_or(Malformed)
    }
}

/// A sum over the life of a module, minor units: 6 bytes, 0 to 281,474,976,710,655. It only
/// grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Total(u64);

impl Total {
    /// The greatest sum: more than two million of the greatest amounts.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The sum, unless it is wider than six bytes.
    #[must_use]
    pub const fn new(minor: u64) -> Option<Self> {
        if minor <= Self::MAX.0 { Some(Self(minor)) } else { None }
    }

    /// Minor units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum with one amount more; nothing where it is wider than six bytes then.
    #[must_use]
    pub const fn plus(self, amount: Amount) -> Option<Self> {
        Self::new(self.0 + amount.0 as u64)
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Element for Total {
    const MIN: usize = 6;
    const MAX: usize = 6;
    const FORM: Form = Form::Unsigned { width: 6, max: (1 << 48) - 1 };
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        let [_, _, bytes @ ..] = self.0.to_be_bytes();
        writer.put(&bytes);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(|[a, b, c, d, e, f]| Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }
}

/// What a purse holds, in minor units (BAL_IEP): 4 bytes, two's complement;
/// below zero within the overdraft.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Balance(pub i32);

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

layout! {
    /// Currency of a purse (CURR_IEP): 3 bytes.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct Currency {
        /// ISO 4217 numeric code.
        code: u16,
        /// Decimal places of the minor unit.
        exponent: u8,
    }
}

impl Currency {
    /// Euro and cent.
    pub const EUR: Self = Self { code: 978, exponent: 2 };
    /// Pound and penny.
    pub const GBP: Self = Self { code: 826, exponent: 2 };

    /// The letters of the code, where they are known here.
    #[must_use]
    pub const fn letters(self) -> Option<&'static str> {
        match self.code {
            978 => Some("EUR"),
            826 => Some("GBP"),
            840 => Some("USD"),
            756 => Some("CHF"),
            _ => None,
        }
    }

    /// An amount in words that a person reads: `-3.10 GBP`.
    #[must_use]
    pub const fn show(self, minor: i64) -> Money {
        Money { minor, currency: self }
    }
}

/// Minor units with their currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// Currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let size = self.minor.unsigned_abs();
        match 10_u64.checked_pow(u32::from(self.currency.exponent)) {
            None | Some(1) => write!(f, "{sign}{size}")?,
            Some(unit) => {
                let width = usize::from(self.currency.exponent);
                write!(f, "{sign}{}.{:0width$}", size / unit, size % unit)?;
            }
        }
        match self.currency.letters() {
            Some(letters) => write!(f, " {letters}"),
            None => write!(f, " ISO-{:03}", self.currency.code),
        }
    }
}

transparent!(Balance(i32));

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn money_reads_like_money() {
        assert_eq!(Currency::GBP.show(-310).to_string(), "-3.10 GBP");
        assert_eq!(Currency::EUR.show(5).to_string(), "0.05 EUR");
        assert_eq!(Currency { code: 392, exponent: 0 }.show(1200).to_string(), "1200 ISO-392");
    }

    #[test]
    fn amounts_above_the_greatest_balance_are_malformed() {
        assert_eq!(Amount::from_bytes(&[0x7F, 0xFF, 0xFF, 0xFF]), Ok(Amount::MAX));
        assert_eq!(Amount::from_bytes(&[0x80, 0, 0, 0]), Err(Malformed));
    }
}
