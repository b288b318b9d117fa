//! Secure channels of GlobalPlatform: SCP03 (Amendment D v1.2) and SCP02 (Card Specification
//! 2.3.1, appendix E, i = 15 and 55), the one implementation for card and host.
//!
//! [`CardChannel`] is what a security domain keeps in RAM, [`HostOpening`] and
//! [`HostChannel`] are the other end. Both secure commands and answers in place, in a buffer
//! that the caller gives: `(buffer, length)` goes in, the new length comes out.
//!
//! ```text
//! host                                    card
//! INITIALIZE UPDATE (challenge)     ->    CardChannel::initialize
//! HostOpening::new                  <-    Opening (challenge, cryptogram)
//! EXTERNAL AUTHENTICATE             ->    CardChannel::authenticate
//! HostChannel::wrap                 ->    CardChannel::unwrap
//! HostChannel::unwrap               <-    CardChannel::wrap
//! ```
//!
//! `scp03` and `scp02` are the two protocols, `session` is what they share, `frame` the
//! command in its buffer. Any error in what the other side sent ends the session, and
//! its keys are erased. Keys are kept raw and their schedules computed for each command, so
//! that a session is small.

mod aes;
mod card;
mod des;
mod frame;
mod host;
mod key;
mod opening;
mod padding;
mod protocol;
mod scp02;
mod scp03;
mod session;
mod token;
#[cfg(test)]
mod vectors;

use core::fmt;

pub use card::{CardChannel, Freshness};
pub use host::{HostChannel, HostOpening};
pub use key::{ChannelKey, EncryptedKey, KeySet, KeyType};
pub use opening::Opening;
pub use protocol::{Level, Protocol, Scp02Variant, Scp03Variant};
pub use token::{Mode, Token};

/// Why something was not secured or not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// No short command APDU, or no answer of two bytes and more.
    Length,
    /// With MAC and padding it would not fit; at most so many data bytes do.
    TooLong {
        /// Greatest length of the data field at this level.
        limit: usize,
    },
    /// The caller's buffer is too small for MAC and padding.
    Buffer,
    /// There is no session, or it has ended.
    Closed,
    /// A session that met an error takes nothing any more until a new one is opened.
    Aborted,
    /// An answer without its command.
    Order,
    /// Secure messaging of another kind than was agreed, or none.
    Messaging,
    /// The MAC is wrong. In SCP02 the padding under it, too: who tells them apart is an oracle.
    Mac,
    /// The cryptogram of the other side is wrong.
    Cryptogram,
    /// The padding under a right MAC is wrong.
    Padding,
    /// The protocol does not have this security level.
    Level,
    /// Keys, challenges and protocol do not belong together.
    Keys,
    /// The sequence counter of the key version is used up.
    Counter,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "no short APDU",
            Self::TooLong { limit } => {
                return write!(f, "the data field is too long for this security level: {limit} bytes fit");
            }
            Self::Buffer => "the buffer has no room for MAC and padding",
            Self::Closed => "there is no session; open one",
            Self::Aborted => "the session has ended with an error; open a new one",
            Self::Order => "an answer without its command",
            Self::Messaging => "the secure messaging is not what was agreed",
            Self::Mac => "the MAC is wrong",
            Self::Cryptogram => "the cryptogram is wrong: the other side has other keys",
            Self::Padding => "the padding is wrong",
            Self::Level => "the protocol does not have this security level",
            Self::Keys => "keys, challenge and protocol do not belong together",
            Self::Counter => "the sequence counter is used up: replace the keys",
        })
    }
}

impl core::error::Error for Error {}
