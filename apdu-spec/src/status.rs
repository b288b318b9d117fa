//! Status words: an open set, so that unknown ones survive and print.

use core::fmt;

/// SW1-SW2 of a response.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusWord(pub u16);

macro_rules! status_words {
    ($($name:ident = $value:literal, $meaning:literal;)*) => {
        impl StatusWord {
            $( #[doc = $meaning] pub const $name: Self = Self($value); )*

            /// Every word that has a name here, with its meaning.
            pub const NAMED: &'static [(Self, &'static str)] = &[ $( (Self::$name, $meaning), )* ];
        }
    };
}

// ISO/IEC 7816-4 table 6 for 6xxx; 93xx and 94xx after JR/T 0025 where it has one,
// else project-defined.
status_words! {
    OK = 0x9000, "done";
    BLOCKED = 0x6283, "selected, and blocked: the application moves no value, or the card is locked";
    AUTHENTICATION_FAILED = 0x6300, "the cryptogram of the host is wrong";
    WRONG_PIN = 0x63C0, "the PIN is wrong; the last digit says how many tries are left";
    MEMORY_FAILURE = 0x6581, "the memory failed while writing; nothing was changed or the card must be reset";
    WRONG_LENGTH = 0x6700, "wrong length of the data field";
    CHANNEL_NOT_SUPPORTED = 0x6881, "logical channel not supported";
    SECURITY_NOT_SATISFIED = 0x6982, "not without authentication: verify the PIN, or open a secure channel";
    AUTHENTICATION_BLOCKED = 0x6983, "no tries are left: blocked";
    CONDITIONS_NOT_SATISFIED = 0x6985, "not in this state: another command must come first";
    WRONG_DATA = 0x6A80, "the data field is not acceptable";
    APPLICATION_NOT_FOUND = 0x6A82, "no application has this name";
    RECORD_NOT_FOUND = 0x6A83, "there is no such record";
    NOT_ENOUGH_MEMORY = 0x6A84, "not enough room: collect or acknowledge records first";
    WRONG_P1_P2 = 0x6A86, "wrong P1-P2";
    REFERENCE_NOT_FOUND = 0x6A88, "there is no such key";
    WRONG_OFFSET = 0x6B00, "the offset is behind the end of the file";
    INSTRUCTION_NOT_SUPPORTED = 0x6D00, "instruction not supported";
    CLASS_NOT_SUPPORTED = 0x6E00, "class not supported";
    INTERNAL_ERROR = 0x6F00, "internal error";
    WRONG_MAC = 0x9302, "the MAC is wrong";
    INSUFFICIENT_BALANCE = 0x9401, "the balance does not suffice, overdraft included";
    COUNTER_AT_MAXIMUM = 0x9402, "a transaction counter has reached its maximum";
    MAXIMUM_EXCEEDED = 0x9403, "the balance would exceed its maximum";
    LIMIT_EXCEEDED = 0x9405, "the amount is above a limit";
    EXPIRED = 0x9406, "the purse has expired";
    RECEIPTS_FULL = 0x9407, "receipts must be taken over first";
    REFUSED_BY_ISSUER = 0x9408, "the issuer refused; the purse is unchanged";
    FOREIGN_PURSE = 0x9409, "provider or currency is not accepted here";
    BATCHES_FULL = 0x940A, "closed batches must be acknowledged first";
    KEY_RETIRED = 0x940B, "this key version has been retired: the other side needs newer keys";
    CARD_BLOCKED = 0x940C, "too many authentications were wrong: the card is blocked until its issuer lifts that";
    CLOCK_REFUSED = 0x940D, "the terminal's clock is behind the last payment, or too far ahead: set it";
    LIST_TOO_OLD = 0x940E, "the list of blocked purses is too old: bring this PSAM a newer one";
}

impl StatusWord {
    /// SW1 and SW2.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// What it says, where it has a name here.
    #[must_use]
    pub fn meaning(self) -> Option<&'static str> {
        Self::NAMED.iter().find(|(word, _)| *word == self.kind()).map(|(_, meaning)| *meaning)
    }

    /// The word that has a name here: the number of tries apart.
    #[must_use]
    pub const fn kind(self) -> Self {
        if self.tries_left().is_some() { Self::WRONG_PIN } else { self }
    }

    /// [`WRONG_PIN`](Self::WRONG_PIN) with the number of tries that are left, 15 at most.
    #[must_use]
    pub const fn wrong_pin(tries: u8) -> Self {
        Self(Self::WRONG_PIN.0 | if tries < 0x0F { tries as u16 } else { 0x0F })
    }

    /// How many tries are left, where it says that.
    #[must_use]
    pub const fn tries_left(self) -> Option<u8> {
        let [_, low] = self.0.to_be_bytes();
        if self.0 & 0xFFF0 == Self::WRONG_PIN.0 { Some(low & 0x0F) } else { None }
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "{:04X} ({meaning})", self.0),
            None => write!(f, "{:04X}", self.0),
        }
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_has_two_names() {
        for (index, (word, _)) in StatusWord::NAMED.iter().enumerate() {
            assert!(StatusWord::NAMED.iter().skip(index + 1).all(|(other, _)| other != word), "{word}");
        }
    }
}
