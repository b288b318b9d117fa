//! Identities and counters.

use core::fmt;

use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};
use crate::{layout, transparent};

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
            const FORM: Form = Form::Unsigned { width: 3, max: 0x00FF_FFFF };
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
    /// A counter of a purse, NT_IEP or NV_IEP. It never wraps: at its maximum the card refuses.
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

/// Number of a transaction at its PSAM or load terminal (NT_PSAM): 4 bytes, because a busy gate
/// uses up three in two years. It never wraps: at its maximum the module refuses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SamCounter(pub u32);

impl SamCounter {
    /// One more, or nothing at the maximum.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// How far this counter is ahead of `earlier`; nothing where it is behind.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<u32> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Debug for SamCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SamCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

transparent!(SamCounter(u32));

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
    const FORM: Form = Form::Unsigned { width: 5, max: (1 << 40) - 1 };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_do_not_wrap() {
        assert_eq!(Counter::MAX.next(), None);
        assert_eq!(Counter::new(0x0100_0000), None);
    }
}
