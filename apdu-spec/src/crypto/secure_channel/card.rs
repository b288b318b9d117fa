//! The card's end of a secure channel: what a security domain keeps in RAM.

use core::fmt;

use super::frame::Frame;
use super::key::{ChannelKey, Cipher, KeySet, KeyType};
use super::protocol::{Level, Protocol};
use super::session::{Session, open};
use super::{Error, Opening, Scp02Variant, Token, scp02, scp03};
use crate::wire::Element;

/// INS of EXTERNAL AUTHENTICATE.
const EXTERNAL_AUTHENTICATE: u8 = 0x82;

/// The state of a channel: no session, one that INITIALIZE UPDATE began, one that is open at
/// a level, or one that met an error. Lost at power-off and when another application is
/// selected: [`close`](Self::close) it then.
#[derive(Clone, Default)]
pub struct CardChannel(State);

const _: () = assert!(size_of::<CardChannel>() <= 512, "the state of a secure channel is bounded");

#[derive(Clone, Default)]
#[allow(clippy::large_enum_variant)] // there is no heap
enum State {
    #[default]
    Closed,
    /// The session stays where it is until it is dropped, so that no copy of its keys is
    /// left behind in RAM.
    Held {
        session: Session,
        stage: Stage,
    },
    Aborted,
}

#[derive(Clone)]
enum Stage {
    Initiated { protocol: Protocol, host: Token },
    Open,
}

/// What a card's challenge is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freshness<'a> {
    /// Sequence counter of the key version: two bytes in SCP02, three in SCP03.
    pub sequence: u32,
    /// The whole AID of the security domain, for a pseudo-random challenge.
    pub aid: &'a [u8],
    /// Random bytes, for a random challenge.
    pub random: [u8; 16],
}

impl Freshness<'_> {
    /// The card's opening, without its cryptogram.
    fn opening(&self, keys: &KeySet, protocol: Protocol) -> Result<Opening, Error> {
        match (protocol, &keys.enc.0, &keys.mac.0) {
            (Protocol::Scp02(variant), _, Cipher::TripleDes(mac)) => {
                let sequence = u16::try_from(self.sequence).map_err(|_| Error::Counter)?;
                let [random @ .., _, _, _, _, _, _, _, _, _, _] = self.random;
                let challenge = match variant {
                    Scp02Variant::Random => random,
                    Scp02Variant::PseudoRandom => scp02::challenge(mac, sequence, self.aid),
                };
                Ok(Opening::Scp02 { sequence, challenge, cryptogram: [0; 8] })
            }
            (Protocol::Scp03(variant), Cipher::Aes(enc), _) => {
                let [0, sequence @ ..] = self.sequence.to_be_bytes() else { return Err(Error::Counter) };
                let mode = variant.mode();
                let random = Token::new(mode, self.random);
                let challenge = if variant.is_pseudo_random() {
                    scp03::challenge(enc, mode, sequence, self.aid)
                } else {
                    random
                };
                Ok(Opening::Scp03 { variant, challenge, cryptogram: random, sequence })
            }
            _ => Err(Error::Keys),
        }
    }
}

impl CardChannel {
    /// No session.
    #[must_use]
    pub const fn new() -> Self {
        Self(State::Closed)
    }

    /// Ends the session; its keys are erased.
    pub fn close(&mut self) {
        self.0 = State::Closed;
    }

    /// INITIALIZE UPDATE: begins a session and ends the one before. The host's challenge has
    /// the length of the protocol's mode, else [`Error::Keys`].
    pub fn initialize(
        &mut self,
        keys: &KeySet,
        protocol: Protocol,
        host_challenge: &Token,
        fresh: &Freshness<'_>,
    ) -> Result<Opening, Error> {
        self.close();
        let opening = fresh.opening(keys, protocol)?;
        let (session, [card, host]) = open(keys, host_challenge, &opening)?;
        self.0 = State::Held { session, stage: Stage::Initiated { protocol, host } };
        Ok(opening.with(card))
    }

    /// The protocol of the session that INITIALIZE UPDATE has begun, where that was the last
    /// command: EXTERNAL AUTHENTICATE may come.
    #[must_use]
    pub const fn initiated(&self) -> Option<Protocol> {
        match &self.0 {
            State::Held { stage: Stage::Initiated { protocol, .. }, .. } => Some(*protocol),
            _ => None,
        }
    }

    /// EXTERNAL AUTHENTICATE, the whole APDU: opens the session at the level in P1. Whatever
    /// is wrong, there is no session afterwards. Tries are counted by the caller, before.
    pub fn authenticate(&mut self, buffer: &mut [u8], length: usize) -> Result<Level, Error> {
        let result = self.check_host(buffer, length);
        match (&mut self.0, result) {
            (State::Held { session, stage }, Ok(level)) => {
                session.begin(level);
                *stage = Stage::Open;
            }
            _ => self.close(),
        }
        result
    }

    /// Whether the host has shown that it has the keys; the level that it asks for.
    fn check_host(&mut self, buffer: &mut [u8], length: usize) -> Result<Level, Error> {
        let State::Held { session, stage: Stage::Initiated { protocol, host } } = &mut self.0 else {
            return Err(Error::Closed);
        };
        let [_, ins, level, _] = Frame::parse(buffer, length)?.header();
        if ins != EXTERNAL_AUTHENTICATE {
            return Err(Error::Closed);
        }
        let level = Level::from_bytes(&[level]).map_err(|_| Error::Level)?;
        protocol.check(level)?;
        let length = session.accept_command(buffer, length)?;
        let data = Frame::parse(buffer, length)?.data;
        let found = buffer.get(5..).and_then(|body| body.get(..data)).ok_or(Error::Length)?;
        let found = Token::from_slice(found).map_err(|_| Error::Length)?;
        if found == *host { Ok(level) } else { Err(Error::Cryptogram) }
    }

    /// The level of the session, where one is open.
    #[must_use]
    pub const fn level(&self) -> Option<Level> {
        match &self.0 {
            State::Held { session, stage: Stage::Open } => Some(session.level),
            _ => None,
        }
    }

    /// Checks a command and takes the securing off, in place; the length of the plain APDU.
    /// An error ends the session.
    pub fn unwrap(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let result = self.session()?.accept_command(buffer, length);
        if result.is_err() {
            self.0 = State::Aborted;
        }
        result
    }

    /// Secures the answer to the command before, in place: data and status word go in. With
    /// an error nothing has changed, and another answer can be secured.
    pub fn wrap(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        self.session()?.protect_answer(buffer, length)
    }

    /// Greatest length of the data of an answer, where a session is open.
    pub fn answer_limit(&mut self) -> Result<usize, Error> {
        self.session().map(|session| session.answer_limit())
    }

    /// Decrypts sensitive data of STORE DATA: whole blocks.
    pub fn decrypt_sensitive(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.session()?.dek.decrypt_sensitive(data)
    }

    /// A key of PUT KEY: the first `length` bytes of what is encrypted.
    pub fn decrypt_key(
        &mut self,
        kind: KeyType,
        length: usize,
        encrypted: &[u8],
    ) -> Result<ChannelKey, Error> {
        self.session()?.dek.decrypt_key(kind, length, encrypted)
    }

    const fn session(&mut self) -> Result<&mut Session, Error> {
        match &mut self.0 {
            State::Held { session, stage: Stage::Open } => Ok(session),
            State::Aborted => Err(Error::Aborted),
            State::Closed | State::Held { .. } => Err(Error::Closed),
        }
    }
}

impl fmt::Debug for CardChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Closed => f.write_str("no session"),
            State::Held { stage: Stage::Initiated { protocol, .. }, .. } => {
                write!(f, "session of {protocol:?} begun")
            }
            State::Held { session, stage: Stage::Open } => write!(f, "session at level {:?}", session.level),
            State::Aborted => f.write_str("session ended by an error"),
        }
    }
}
