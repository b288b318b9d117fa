//! The data elements: one type each, with its width, unit and bounds.
//!
//! Names follow EN 1546 and CEPS (`ID_IEP`, `NT_IEP`, `BAL_IEP`, `DEXP_IEP`, ...); widths
//! are project-defined.

use core::fmt;

use subtle::ConstantTimeEq;

use crate::layout;
use crate::wire::{Element, Malformed, Reader, Writer, hex};

/// Unsigned numbers of three bytes.
macro_rules! three_bytes {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            /// The greatest value, 16,777,215.
            pub const MAX: Self = Self(0x00FF_FFFF);

            /// The value, unless it is wider than three bytes.
            #[must_use]
            pub const fn new(value: u32) -> Option<Self> {
                if value <= Self::MAX.0 { Some(Self(value)) } else { None }
            }

            /// The value.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl Element for $name {
            const MIN: usize = 3;
            const MAX: usize = 3;
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                let [_, bytes @ ..] = self.0.to_be_bytes();
                writer.put(&bytes);
            }
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.array().map(|[a, b, c]| Self(u32::from_be_bytes([0, a, b, c])))
            }
        }
    )* };
}

three_bytes! {
    /// Purse provider, the issuer of the value (PPIEP).
    ProviderId;
    /// Acquirer, or operator of a load terminal: the first half of a counterpart's identity.
    AcquirerId;
    /// Number of a security module or load terminal within its acquirer.
    SamNumber;
    /// A transaction counter, NT or NV. It never wraps: at its maximum the card refuses.
    Counter;
    /// Number of a batch of one PSAM, from 1.
    BatchNumber;
}

impl Counter {
    /// One more, or nothing at the maximum.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// How far this counter is ahead of `earlier`; nothing where it is behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<u32> {
        self.0.checked_sub(earlier.0)
    }
}

impl BatchNumber {
    /// One more, or nothing at the maximum.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

/// Number of a purse within its provider: five bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PurseNumber(u64);

impl PurseNumber {
    /// The number, unless it is wider than five bytes.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value < 1 << 40 { Some(Self(value)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for PurseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Element for PurseNumber {
    const MIN: usize = 5;
    const MAX: usize = 5;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        let [_, _, _, bytes @ ..] = self.0.to_be_bytes();
        writer.put(&bytes);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(|[a, b, c, d, e]| Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])))
    }
}

layout! {
    /// Identity of a purse, worldwide (ID_IEP): 8 bytes.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct IepId {
        /// Purse provider.
        provider: ProviderId,
        /// Number within the provider.
        number: PurseNumber,
    }
}

layout! {
    /// Identity of the counterpart of a purse, a PSAM or load terminal: 6 bytes.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct SamId {
        /// Acquirer or operator.
        acquirer: AcquirerId,
        /// Number within the acquirer.
        number: SamNumber,
    }
}

/// `provider-number`, decimal; the number has ten digits at least.
impl fmt::Display for IepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:010}", self.provider, self.number.0)
    }
}

/// `acquirer-number`, decimal.
impl fmt::Display for SamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.acquirer, self.number)
    }
}

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
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(u32::decode(reader)?).ok_or(Malformed)
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

impl Element for Balance {
    const MIN: usize = 4;
    const MAX: usize = 4;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        i32::decode(reader).map(Self)
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

/// A day: 2 bytes, days since 1970-01-01 (DEXP_IEP and the like).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub u16);

/// A point in time, UTC: 4 bytes, seconds since 1970-01-01T00:00:00Z (DTHR).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u32);

impl Time {
    /// The day this point lies in.
    #[must_use]
    pub const fn date(self) -> Date {
        #[allow(clippy::cast_possible_truncation)] // 2^32 / 86,400 is below 2^16
        Date((self.0 / 86_400) as u16)
    }
}

/// Writes a day of the Gregorian calendar as `YYYY-MM-DD`.
fn write_date(f: &mut fmt::Formatter<'_>, days: u32) -> fmt::Result {
    // Years begin in March, so that a leap day is the last day of its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    write!(f, "{:04}-{month:02}-{day:02}", era * 400 + year_of_era + next_year)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date(f, u32::from(self.0))
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `YYYY-MM-DDThh:mm:ssZ`
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0 % 86_400;
        write_date(f, self.0 / 86_400)?;
        write!(f, "T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Element for Date {
    const MIN: usize = 2;
    const MAX: usize = 2;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        u16::decode(reader).map(Self)
    }
}

impl Element for Time {
    const MIN: usize = 4;
    const MAX: usize = 4;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::decode(reader).map(Self)
    }
}

/// Eight random bytes of one side (R_IEP, or the counterpart's challenge).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Random(pub [u8; 8]);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl Element for Random {
    const MIN: usize = 8;
    const MAX: usize = 8;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(Self)
    }
}

/// A MAC, truncated to its first eight bytes. Compared in constant time.
#[derive(Clone, Copy, Default, Eq)]
pub struct Mac(pub [u8; 8]);

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl Element for Mac {
    const MIN: usize = 8;
    const MAX: usize = 8;
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array().map(Self)
    }
}

/// Closed codes of one byte.
macro_rules! code {
    ($(#[doc = $doc:literal])* pub enum $name:ident { $($(#[doc = $variant_doc:literal])* $variant:ident = $value:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant = $value,)* }

        impl $name {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        impl Element for $name {
            const MIN: usize = 1;
            const MAX: usize = 1;
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.put(&[*self as u8]);
            }
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                match reader.byte()? {
                    $($value => Ok(Self::$variant),)*
                    _ => Err(Malformed),
                }
            }
        }
    };
}

code! {
    /// Type of transaction: P1 of INITIALIZE IEP after JR/T 0025; 06 and 07 are project-defined.
    pub enum Kind {
        /// Value goes into the purse, online.
        Load = 0x00,
        /// Value leaves the purse for a PSAM, offline.
        Purchase = 0x01,
        /// Value leaves the purse for its holder, online.
        Unload = 0x05,
        /// The last purchase comes back.
        Cancellation = 0x06,
        /// The purse tells what became of an earlier transaction.
        Recovery = 0x07,
    }
}

code! {
    /// Algorithm of a key (ALG_IEP): it belongs to the key version.
    pub enum Algorithm {
        /// AES-128 CMAC (NIST SP 800-38B), truncated to eight bytes.
        AesCmac = 0x01,
        /// Retail MAC with two-key Triple DES (ISO/IEC 9797-1 algorithm 3, padding 2).
        RetailMac = 0x02,
    }
}

layout! {
    /// Which key made a MAC: 3 bytes.
    #[derive(Copy)]
    pub struct KeyReference {
        /// Algorithm of the key version.
        algorithm: Algorithm,
        /// Key group: 00 for loads and unloads, from 01 the acquirer's or region's.
        group: u8,
        /// Key version (VK).
        version: u8,
    }
}

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
    fn calendar() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(951_827_696).to_string(), "2000-02-29T12:34:56Z");
        assert_eq!(Time(u32::MAX).to_string(), "2106-02-07T06:28:15Z");
        assert_eq!(Date(u16::MAX).to_string(), "2149-06-06");
    }

    #[test]
    fn counters_do_not_wrap() {
        assert_eq!(Counter::MAX.next(), None);
        assert_eq!(Counter::new(0x0100_0000), None);
    }

    #[test]
    fn amounts_above_the_greatest_balance_are_malformed() {
        assert_eq!(Amount::from_bytes(&[0x7F, 0xFF, 0xFF, 0xFF]), Ok(Amount::MAX));
        assert_eq!(Amount::from_bytes(&[0x80, 0, 0, 0]), Err(Malformed));
    }
}
