//! What passes between readers and cards: watched, told, recorded, read again, compared.
//!
//! [`watch`] is a reader around a reader with an [`Observer`]; [`decode`] makes names and
//! fields of bytes after the catalogue, [`describe`] the text of them; [`redact`] takes
//! out keys, PINs and personalisation data. A recording is a [capture](pcap) that
//! Wireshark opens ([`gsmtap`] packets), or a [listing] of lines; [`recording`] reads
//! either, [`compare`] sends one to a card again. [`script`] is what a person types.

pub mod compare;
pub mod decode;
pub mod describe;
pub mod gsmtap;
pub mod listing;
pub mod pcap;
pub mod recording;
pub mod redact;
pub mod script;
pub mod watch;

pub use recording::{Event, Recorded};
pub use watch::{Observer, SharedObserver, Watched};

use std::fmt;

/// What kind of card is in a reader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum CardKind {
    /// Not known: an image by its file name, a card of a foreign recording.
    Unknown = 0,
    /// A purse.
    Purse = 1,
    /// A security module of a terminal.
    Sam = 2,
    /// A transfer card.
    Transfer = 3,
}

/// Which card it is, for people and for recordings: `purse 1`, `PSAM 3`, `transfer card 1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CardLabel {
    /// Kind.
    pub kind: CardKind,
    /// Number within its kind; of an unknown card 0, or which of several it is.
    pub number: u64,
}

impl CardLabel {
    /// A card of which nothing is known.
    pub const UNKNOWN: Self = Self { kind: CardKind::Unknown, number: 0 };

    /// A purse.
    #[must_use]
    pub const fn purse(number: u64) -> Self {
        Self { kind: CardKind::Purse, number }
    }
}

impl CardKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Purse, Self::Sam, Self::Transfer];

    /// The kind in a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "card",
            Self::Purse => "purse",
            Self::Sam => "PSAM",
            Self::Transfer => "transfer card",
        }
    }
}

impl fmt::Display for CardLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            CardKind::Unknown if self.number == 0 => f.write_str("card"),
            kind => write!(f, "{} {}", kind.word(), self.number),
        }
    }
}
