//! The host's end of a secure channel, as two states: [`HostOpening`] has checked the card,
//! [`HostChannel`] is open.

use core::fmt;

use super::key::{ChannelKey, EncryptedKey, KeySet};
use super::protocol::{Level, Protocol};
use super::session::{Session, open};
use super::{Error, Opening, Scp02Variant, Token};

/// A card that has shown its keys; the host has not shown its own yet.
pub struct HostOpening {
    session: Session,
    protocol: Protocol,
    cryptogram: Token,
}

impl HostOpening {
    /// Checks the card's cryptogram. Type of keys and length of challenge say which protocol
    /// is meant: a card that opens another is refused with [`Error::Keys`].
    pub fn new(keys: &KeySet, host_challenge: &Token, opening: &Opening) -> Result<Self, Error> {
        let (session, [card, cryptogram]) = open(keys, host_challenge, opening)?;
        if opening.cryptogram() != card {
            return Err(Error::Cryptogram);
        }
        let protocol = match opening {
            // The card does not say which; the host's part is the same.
            Opening::Scp02 { .. } => Protocol::Scp02(Scp02Variant::Random),
            Opening::Scp03 { variant, .. } => Protocol::Scp03(*variant),
        };
        Ok(Self { session, protocol, cryptogram })
    }

    /// Writes EXTERNAL AUTHENTICATE, 21 or 37 bytes; the channel is open when the card has
    /// answered 9000.
    pub fn authenticate(mut self, level: Level, buffer: &mut [u8]) -> Result<(HostChannel, usize), Error> {
        self.protocol.check(level)?;
        let cryptogram = self.cryptogram.as_slice();
        let lc = u8::try_from(cryptogram.len()).map_err(|_| Error::Length)?;
        let header = [0x80, 0x82, level as u8, 0x00, lc];
        let length = header.len() + cryptogram.len();
        let place = buffer.get_mut(..length).ok_or(Error::Buffer)?;
        let bytes = header.iter().chain(cryptogram);
        place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        let length = self.session.protect_command(buffer, length)?;
        self.session.begin(level);
        Ok((HostChannel(Some(self.session)), length))
    }
}

impl fmt::Debug for HostOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session of {:?} begun", self.protocol)
    }
}

/// An open channel; none any more, once an answer was not accepted.
#[derive(Clone)]
pub struct HostChannel(Option<Session>);

const _: () = assert!(size_of::<HostChannel>() <= 512, "the state of a secure channel is bounded");

impl HostChannel {
    /// The level of the session, as long as there is one.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.0.as_ref().map(|session| session.level)
    }

    /// Greatest length of the data of a command.
    pub fn command_limit(&self) -> Result<usize, Error> {
        self.0.as_ref().map(Session::command_limit).ok_or(Error::Aborted)
    }

    /// Secures a command in place; the length of the APDU that goes to the card. With an
    /// error nothing has changed, and another command can be secured.
    pub fn wrap(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        self.session()?.protect_command(buffer, length)
    }

    /// Checks an answer and takes the securing off, in place; the length of data and status
    /// word. An error ends the session. A status word of an error is not secured.
    pub fn unwrap(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let result = self.session()?.accept_answer(buffer, length);
        if result.is_err() {
            self.0 = None;
        }
        result
    }

    /// Encrypts sensitive data for STORE DATA: whole blocks.
    pub fn encrypt_sensitive(&self, data: &mut [u8]) -> Result<(), Error> {
        self.0.as_ref().ok_or(Error::Aborted)?.dek.encrypt_sensitive(data)
    }

    /// Encrypts a key for PUT KEY: its bytes, filled up to whole blocks.
    pub fn encrypt_key(&self, key: &ChannelKey) -> Result<EncryptedKey, Error> {
        self.0.as_ref().ok_or(Error::Aborted)?.dek.encrypt_key(key)
    }

    const fn session(&mut self) -> Result<&mut Session, Error> {
        match &mut self.0 {
            Some(session) => Ok(session),
            None => Err(Error::Aborted),
        }
    }
}

impl fmt::Debug for HostChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(session) => write!(f, "session at level {:?}", session.level),
            None => f.write_str("session ended by an error"),
        }
    }
}
