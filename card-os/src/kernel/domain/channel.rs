//! INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, and what passes through an open channel.
//!
//! An attempt is counted by a commit of its own before the host's cryptogram is compared; the
//! commit of a right one forgets them, raises the sequence counter and confirms the keys, so that
//! no loss of power takes one back or makes a session come twice.
//!
//! Wrong attempts cost time and nothing else, unless the issuer has set a limit. A limit blocks the
//! card: no value moves, nothing is managed. It never ends authentication: whoever has a card for a
//! minute could use the attempts up and make it unmanageable for ever, and a token that lifts
//! the block would need attempts of its own, which could be used up as well. At the capped delay
//! a cryptogram of 64 bits is guessed by nobody. The block is lifted by SET STATUS, in a channel
//! that secures all it can, so that the issuer knows that his word has arrived; being right is
//! not enough, since who only asks a card how it is has not looked into what happened to it.

use apdu_spec::crypto::secure_channel::{Error, Freshness, KeyType, Level, Protocol};
use apdu_spec::interindustry::Select;
use apdu_spec::personalisation::DomainParameters;
use apdu_spec::security_domain::{
    Attempts, InitializeUpdate, InitializeUpdateRequest, InitializeUpdateResponse,
};
use apdu_spec::{Command as _, StatusWord, aid::Aid, layout};
use zeroize::Zeroize as _;

use super::{AUTHENTICATION, DIVERSIFICATION, PARAMETERS, SecurityDomain, keys};
use crate::kernel::Response;
use crate::kernel::area::{Area, Storage};
use crate::kernel::delay;
use crate::kernel::dispatch::answer;
use crate::kernel::memory::Committed;

/// The longest command that passes through a channel.
const COMMAND_MAX: usize = 5 + 255 + 1;
/// SELECT and INITIALIZE UPDATE end a session and are no part of it.
const ENDS_SESSION: [[u8; 2]; 2] =
    [[Select::ROW.cla, Select::ROW.ins], [InitializeUpdate::ROW.cla, InitializeUpdate::ROW.ins]];

/// A command without its securing. Erased when it is dropped.
pub(in crate::kernel) struct Plain {
    buffer: [u8; COMMAND_MAX],
    length: usize,
}

impl Plain {
    pub(in crate::kernel) fn as_slice(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

pub(super) fn parameters(area: &Area<'_>) -> DomainParameters {
    area.get(PARAMETERS).unwrap_or(DomainParameters::initial())
}

layout! {
    /// Who has tried to get in.
    #[derive(Copy)]
    pub struct Authentication {
        /// Wrong attempts in a row, no more than 255. Written before the comparison.
        wrong: u8,
        /// Channels opened so far: the sequence counter. One for all key sets, so that no session
        /// comes again where keys are put, deleted, and put again.
        sessions: u32,
    }
}

pub(super) fn authentication(area: &Area<'_>) -> Authentication {
    area.get(AUTHENTICATION).unwrap_or(Authentication { wrong: 0, sessions: 0 })
}

/// Wrong attempts, and what the issuer allows.
pub(super) fn attempts(area: &Area<'_>) -> Attempts {
    Attempts { wrong: authentication(area).wrong, limit: parameters(area).attempts }
}

const fn status_of(error: Error) -> StatusWord {
    match error {
        Error::Cryptogram => StatusWord::AUTHENTICATION_FAILED,
        Error::Level => StatusWord::WRONG_P1_P2,
        Error::Closed => StatusWord::CONDITIONS_NOT_SATISFIED,
        Error::Length | Error::Keys => StatusWord::WRONG_LENGTH,
        Error::Counter => StatusWord::COUNTER_AT_MAXIMUM,
        _ => StatusWord::SECURITY_NOT_SATISFIED,
    }
}

impl SecurityDomain {
    /// The level of the session, where one is open.
    pub(in crate::kernel) const fn level(&self) -> Option<Level> {
        self.channel.level()
    }

    /// Ends the session.
    pub(in crate::kernel) fn deselect(&mut self) {
        self.channel.close();
        self.opening = None;
        self.target = None;
    }

    /// Whether a command belongs to the open session.
    pub(in crate::kernel) fn has_session_for(&self, command: &[u8]) -> bool {
        self.level().is_some() && !ENDS_SESSION.iter().any(|header| command.starts_with(header))
    }

    pub(super) fn initialize_update(
        &mut self,
        request: &InitializeUpdateRequest,
        storage: &mut dyn Storage,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.deselect();
        let mut area = Area::kernel(storage);
        let Authentication { sessions, .. } = authentication(&area);
        let found = keys::find(request.key_version, &area)?;
        let parameters = parameters(&area);
        let protocol = match found.keys.kind().map_err(status_of)? {
            KeyType::TripleDes => Protocol::Scp02(parameters.scp02),
            KeyType::Aes => Protocol::Scp03(parameters.scp03),
        };
        let fresh = Freshness { sequence: sessions, aid: Aid::SECURITY_DOMAIN, random: area.random() };
        let opening = self
            .channel
            .initialize(&found.keys, protocol, &request.host_challenge, &fresh)
            .map_err(status_of)?;
        self.opening = Some(found.version);
        let diversification = area.get(DIVERSIFICATION).unwrap_or([0; 10]);
        let key_version = found.version;
        answer(response, &InitializeUpdateResponse { diversification, key_version, opening })
    }

    /// EXTERNAL AUTHENTICATE, the whole APDU, for this level.
    pub(super) fn external_authenticate(
        &mut self,
        level: Level,
        command: &[u8],
        storage: &mut dyn Storage,
    ) -> Result<(), StatusWord> {
        self.target = None;
        let begun = self.opening.take().zip(self.channel.initiated());
        let (version, protocol) = begun.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        if self.blocked && !level.covers(protocol.highest()) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let mut area = Area::kernel(storage);
        // What a right attempt leaves: of a card that is blocked already it lifts nothing.
        let wrong = if self.blocked { authentication(&area).wrong } else { 0 };
        self.count_attempt(&mut area)?;
        let mut plain = Self::copy(command)?;
        let Plain { buffer, length } = &mut plain;
        self.channel.authenticate(buffer, *length).map_err(status_of)?;
        // Where this fails, the host does not come in either.
        let sessions = authentication(&area).sessions.saturating_add(1);
        let right = Authentication { wrong, sessions };
        keys::confirm(version, (AUTHENTICATION, &right), &mut area).inspect_err(|_| self.deselect())?;
        self.blocked = attempts(&area).block();
        Ok(())
    }

    /// Takes the time that the wrong attempts before cost, then counts this one, whatever it is.
    fn count_attempt(&mut self, area: &mut Area<'_>) -> Result<(), StatusWord> {
        let before = authentication(area);
        area.delay(delay::after(before.wrong));
        let counted = Authentication { wrong: before.wrong.saturating_add(1), ..before };
        if counted != before {
            let _: Committed = area.change().set(AUTHENTICATION, &counted).commit()?;
        }
        self.blocked = attempts(area).block();
        Ok(())
    }

    /// Takes the securing off a command. An error ends the session.
    pub(in crate::kernel) fn unwrap(&mut self, command: &[u8]) -> Result<Plain, StatusWord> {
        let mut plain = Self::copy(command).inspect_err(|_| self.deselect())?;
        let Plain { buffer, length } = &mut plain;
        match self.channel.unwrap(buffer, *length) {
            Ok(unwrapped) => *length = unwrapped,
            Err(error) => {
                self.target = None;
                return Err(status_of(error));
            }
        }
        Ok(plain)
    }

    /// Secures an answer, where the session is still open.
    pub(in crate::kernel) fn wrap(&mut self, response: &mut Response) {
        if self.level().is_none() {
            return;
        }
        let length = response.len();
        let _ = response.resize_default(response.capacity());
        match self.channel.wrap(response, length) {
            Ok(secured) => response.truncate(secured),
            // No answer of ours is that long; what cannot be secured is not sent.
            Err(_) => {
                self.deselect();
                response.clear();
                let _ = response.extend_from_slice(&StatusWord::INTERNAL_ERROR.to_bytes());
            }
        }
    }

    fn copy(command: &[u8]) -> Result<Plain, StatusWord> {
        let mut plain = Plain { buffer: [0; COMMAND_MAX], length: command.len() };
        let place = plain.buffer.get_mut(..command.len()).ok_or(StatusWord::WRONG_LENGTH)?;
        place.copy_from_slice(command);
        Ok(plain)
    }
}
