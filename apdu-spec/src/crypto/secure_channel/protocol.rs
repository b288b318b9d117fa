//! Which protocol, which variant of it ("i"), which security level.

use super::{Error, Mode};
use crate::code;
use crate::form::Form;
use crate::wire::{Element, Malformed, Reader, Writer};

code! {
    /// Security level that EXTERNAL AUTHENTICATE asks for in P1 (Card Specification 2.3.1,
    /// E.5.2; Amendment D v1.2, 7.1.2).
    pub enum Level: u8 {
        /// The host is authenticated; commands and answers travel as they are.
        Authenticated = 0x00,
        /// Commands carry a MAC.
        CMac = 0x01,
        /// Commands carry a MAC and are encrypted.
        CDecryptionCMac = 0x03,
        /// Commands and answers carry a MAC.
        CMacRMac = 0x11,
        /// Commands and answers carry a MAC, commands are encrypted.
        CDecryptionCMacRMac = 0x13,
        /// Commands and answers carry a MAC and are encrypted.
        CDecryptionREncryptionCMacRMac = 0x33,
    }
}

impl Level {
    const fn has(self, bits: u8) -> bool {
        self as u8 & bits != 0
    }

    /// Commands carry a MAC.
    #[must_use]
    pub const fn c_mac(self) -> bool {
        self.has(0x01)
    }

    /// Commands are encrypted.
    #[must_use]
    pub const fn c_decryption(self) -> bool {
        self.has(0x02)
    }

    /// Answers carry a MAC.
    #[must_use]
    pub const fn r_mac(self) -> bool {
        self.has(0x10)
    }

    /// Answers are encrypted.
    #[must_use]
    pub const fn r_encryption(self) -> bool {
        self.has(0x20)
    }

    /// Whether commands can be neither read nor changed on their way.
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        self.c_mac() && self.c_decryption()
    }

    /// Whether everything that `other` asks for is given here as well.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self as u8 & other as u8 == other as u8
    }
}

code! {
    /// Parameter i of SCP02: explicit initiation, three keys, C-MAC on the modified APDU,
    /// encrypted ICV (Card Specification 2.3.1, table E-1). Neither has an R-MAC.
    pub enum Scp02Variant: u8 {
        /// The card's challenge is random.
        Random = 0x15,
        /// The card's challenge is computed from its sequence counter.
        PseudoRandom = 0x55,
    }
}

/// Parameter i of SCP03 (Amendment D v1.2, table 5-1), one byte: 01 mode S16, 10
/// pseudo-random challenge, 20 R-MAC, 60 R-MAC and response encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Scp03Variant(u8);

impl Scp03Variant {
    const S16: u8 = 0x01;
    const PSEUDO_RANDOM: u8 = 0x10;
    const R_MAC: u8 = 0x20;
    const R_ENCRYPTION: u8 = 0x40;

    /// A variant; other bits, and response encryption without R-MAC, are malformed.
    pub const fn new(i: u8) -> Result<Self, Malformed> {
        let known = Self::S16 | Self::PSEUDO_RANDOM | Self::R_MAC | Self::R_ENCRYPTION;
        match i & (Self::R_MAC | Self::R_ENCRYPTION) {
            Self::R_ENCRYPTION => Err(Malformed),
            _ if i & !known != 0 => Err(Malformed),
            _ => Ok(Self(i)),
        }
    }

    /// The byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Length of challenges, cryptograms and MACs.
    #[must_use]
    pub const fn mode(self) -> Mode {
        if self.0 & Self::S16 == 0 { Mode::S8 } else { Mode::S16 }
    }

    /// Whether the card's challenge is computed from its sequence counter.
    #[must_use]
    pub const fn is_pseudo_random(self) -> bool {
        self.0 & Self::PSEUDO_RANDOM != 0
    }
}

impl Element for Scp03Variant {
    const MIN: usize = 1;
    const MAX: usize = 1;
    const FORM: Form = Form::Bytes(1);
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&[self.0]);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(reader.byte()?)
    }
}

/// Protocol and variant of a security domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Triple DES.
    Scp02(Scp02Variant),
    /// AES.
    Scp03(Scp03Variant),
}

impl Protocol {
    /// Identifier and parameter i, as the card recognition data have them.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Scp02(variant) => [0x02, variant as u8],
            Self::Scp03(variant) => [0x03, variant.byte()],
        }
    }

    /// The highest security level that it has.
    #[must_use]
    pub const fn highest(self) -> Level {
        let i = self.parameter();
        if i & Scp03Variant::R_ENCRYPTION != 0 {
            Level::CDecryptionREncryptionCMacRMac
        } else if i & Scp03Variant::R_MAC != 0 {
            Level::CDecryptionCMacRMac
        } else {
            Level::CDecryptionCMac
        }
    }

    /// What answers can be secured with, as in i of SCP03.
    const fn parameter(self) -> u8 {
        match self {
            Self::Scp02(_) => 0,
            Self::Scp03(variant) => variant.byte(),
        }
    }

    /// Whether it has this security level.
    pub(super) const fn check(self, level: Level) -> Result<(), Error> {
        let i = self.parameter();
        let missing = (level.r_mac() && i & Scp03Variant::R_MAC == 0)
            || (level.r_encryption() && i & Scp03Variant::R_ENCRYPTION == 0);
        if missing { Err(Error::Level) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_level_is_one_that_the_protocol_has_and_covers_all_of_those() {
        let scp03 = [0x00, 0x01, 0x10, 0x20, 0x30, 0x60, 0x70, 0x71].map(Scp03Variant::new);
        let scp03 = scp03.into_iter().map(|variant| Protocol::Scp03(variant.expect("a variant")));
        let scp02 = [Scp02Variant::Random, Scp02Variant::PseudoRandom].map(Protocol::Scp02);
        for protocol in scp03.chain(scp02) {
            let highest = protocol.highest();
            assert_eq!(protocol.check(highest), Ok(()), "{protocol:?}");
            for level in [0x00, 0x01, 0x03, 0x11, 0x13, 0x33] {
                let level = Level::from_bytes(&[level]).expect("a level");
                assert!(protocol.check(level).is_err() || highest.covers(level), "{protocol:?} {level:?}");
            }
        }
    }
}
