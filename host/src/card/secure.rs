//! A reader whose commands and answers pass through a secure channel, so that every typed
//! card can be driven through one: [`SecureReader`] wraps any reader and is one.
//!
//! [`open`](SecureReader::open) does INITIALIZE UPDATE and EXTERNAL AUTHENTICATE with the
//! application that is selected. After it, each command is secured on its way to the card and
//! each answer checked on its way back. `examples/secure_channel.rs` shows what passes.
//!
//! SELECT ends a channel, as GlobalPlatform has it: a typed card that takes the channel over
//! is made with its `selected`, not with its `select`.

use apdu_spec::crypto::secure_channel::{
    Error as ChannelError, HostChannel, HostOpening, KeySet, Level, Mode, Token,
};
use apdu_spec::security_domain::{
    ExternalAuthenticate, InitializeUpdate, InitializeUpdateRequest, KeyBlocks,
};
use apdu_spec::{Command as _, StatusWord};
use rand_core::Rng;

use super::{COMMAND_MAX, execute};
use crate::Error;
use crate::reader::Reader;

/// What is asked of the card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Version of the keys; 00 leaves it to the card.
    pub key_version: u8,
    /// Length of challenges and MACs; SCP02 has S8 only.
    pub mode: Mode,
    /// How far commands and answers are secured.
    pub level: Level,
}

/// A reader behind a secure channel.
pub struct SecureReader<R> {
    reader: R,
    /// None any more, once it has ended.
    channel: Option<HostChannel>,
    key_version: u8,
}

impl<R> std::fmt::Debug for SecureReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecureReader").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl<R: Reader> SecureReader<R> {
    /// Opens a channel with the application that is selected. The type of the keys says which
    /// protocol is meant (AES is SCP03, Triple DES is SCP02); `random` makes the challenge.
    ///
    /// Fails with the card's status word, or with [`Error::SecureChannel`] where the card does
    /// not have these keys, or the protocol not this level.
    pub fn open(mut reader: R, keys: &KeySet, wish: Wish, random: &mut dyn Rng) -> Result<Self, Error> {
        let mut challenge = [0; 16];
        random.fill_bytes(&mut challenge);
        let host_challenge = Token::new(wish.mode, challenge);
        let request = InitializeUpdateRequest { key_version: wish.key_version, host_challenge };
        let answer = execute::<InitializeUpdate>(&mut reader, &request)?;
        let opening = HostOpening::new(keys, &host_challenge, &answer.opening)?;
        let mut buffer = [0; COMMAND_MAX];
        let (channel, length) = opening.authenticate(wish.level, &mut buffer)?;
        authenticated(&reader.transmit(&buffer[..length])?)?;
        Ok(Self { reader, channel: Some(channel), key_version: answer.key_version })
    }

    /// Version of the keys under which the channel was opened.
    #[must_use]
    pub const fn key_version(&self) -> u8 {
        self.key_version
    }

    /// Greatest length of the data of a command.
    pub fn command_limit(&self) -> Result<usize, Error> {
        Ok(self.channel()?.command_limit()?)
    }

    /// Keys as PUT KEY carries them: under the K-DEK in SCP03, under the session's in SCP02.
    pub fn seal(&self, keys: &KeySet) -> Result<KeyBlocks, Error> {
        Ok(KeyBlocks::seal(keys, self.channel()?)?)
    }

    /// Encrypts sensitive data of STORE DATA in place: whole blocks.
    pub fn encrypt_sensitive(&self, data: &mut [u8]) -> Result<(), Error> {
        Ok(self.channel()?.encrypt_sensitive(data)?)
    }

    /// The reader without the channel, whose keys are erased.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.reader
    }

    fn channel(&self) -> Result<&HostChannel, Error> {
        self.channel.as_ref().ok_or(Error::SecureChannel(ChannelError::Closed))
    }

    /// Sends a command that is secured. Whatever goes wrong from here on, nobody knows where
    /// the card's end of the channel stands.
    fn exchange(&mut self, wrapped: &[u8]) -> Result<Vec<u8>, Error> {
        let mut answer = self.reader.transmit(wrapped)?;
        let length = answer.len();
        let channel = self.channel.as_mut().ok_or(ChannelError::Closed)?;
        let length = channel.unwrap(&mut answer, length)?;
        answer.truncate(length);
        Ok(answer)
    }
}

/// Secures a command in a buffer; its length.
fn secure(channel: &mut HostChannel, command: &[u8], buffer: &mut [u8]) -> Result<usize, ChannelError> {
    match buffer.get_mut(..command.len()) {
        Some(place) => place.copy_from_slice(command),
        None => return Err(ChannelError::TooLong { limit: channel.command_limit()? }),
    }
    channel.wrap(buffer, command.len())
}

/// Whether EXTERNAL AUTHENTICATE was accepted.
fn authenticated(answer: &[u8]) -> Result<(), Error> {
    let command = ExternalAuthenticate::ROW.name;
    match answer {
        [0x90, 0x00] => Ok(()),
        [high, low] => Err(Error::Status { command, status: StatusWord(u16::from_be_bytes([*high, *low])) }),
        _ => Err(Error::Answer { command }),
    }
}

impl<R: Reader> Reader for SecureReader<R> {
    /// Secures the command and checks the answer. A command that does not fit is not sent; any
    /// other error ends the channel.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut buffer = [0; COMMAND_MAX];
        let channel = self.channel.as_mut().ok_or(ChannelError::Closed)?;
        let length = secure(channel, command, &mut buffer)?;
        let answer = self.exchange(&buffer[..length]);
        if answer.is_err() {
            self.channel = None;
        }
        answer
    }

    /// Ends the channel.
    fn reset(&mut self) -> Result<(), Error> {
        self.channel = None;
        self.reader.reset()
    }
}
