//! What both protocols and both sides share: a session at its security level, which secures
//! and accepts commands and answers in their buffers.

use super::frame::Frame;
use super::key::{Cipher, KeySet};
use super::protocol::Level;
use super::scp02::{self, Scp02};
use super::scp03::Scp03;
use super::{Error, Opening, Token, padding};

/// Greatest length of the data of a command and of an answer.
const COMMAND_MAX: usize = 255;
const ANSWER_MAX: usize = 256;

#[derive(Clone)]
enum Suite {
    Scp02(Scp02),
    Scp03(Scp03),
}

/// Session keys and where the session stands.
#[derive(Clone)]
pub(super) struct Session {
    suite: Suite,
    /// For sensitive data: the static K-DEK in SCP03, the session's own in SCP02.
    pub(super) dek: Cipher,
    pub(super) level: Level,
    /// A command has passed, its answer has not.
    waiting: bool,
}

/// The session of a host's challenge and a card's opening, at level C-MAC as EXTERNAL
/// AUTHENTICATE wants it, and the cryptograms of card and host. Of the opening, everything
/// but the cryptogram counts.
pub(super) fn open(keys: &KeySet, host: &Token, opening: &Opening) -> Result<(Session, [Token; 2]), Error> {
    keys.kind()?;
    let (suite, dek, cryptograms) = match (opening, &keys.enc.0, &keys.mac.0, &keys.dek.0) {
        (
            Opening::Scp02 { sequence, challenge, .. },
            Cipher::TripleDes(enc),
            Cipher::TripleDes(mac),
            Cipher::TripleDes(dek),
        ) => {
            let host = host.as_slice().try_into().map_err(|_| Error::Keys)?;
            let (suite, cryptograms) = Scp02::new(enc, mac, *sequence, host, *challenge);
            (Suite::Scp02(suite), Cipher::TripleDes(scp02::session_dek(dek, *sequence)), cryptograms)
        }
        (Opening::Scp03 { challenge, .. }, Cipher::Aes(enc), Cipher::Aes(mac), dek @ Cipher::Aes(_)) => {
            if host.mode() != challenge.mode() {
                return Err(Error::Keys);
            }
            let (suite, cryptograms) = Scp03::new(enc, mac, host, challenge);
            (Suite::Scp03(suite), dek.clone(), cryptograms)
        }
        _ => return Err(Error::Keys),
    };
    Ok((Session { suite, dek, level: Level::CMac, waiting: false }, cryptograms))
}

impl Session {
    /// The keys that vectors name.
    #[cfg(test)]
    pub(super) fn keys(&self) -> [&[u8]; 3] {
        match (&self.suite, &self.dek) {
            (Suite::Scp03(suite), _) => suite.keys(),
            (Suite::Scp02(suite), Cipher::TripleDes(dek)) => {
                let [enc, mac] = suite.keys();
                [enc, mac, dek.expose()]
            }
            _ => unreachable!(),
        }
    }

    const fn mac_length(&self) -> usize {
        match &self.suite {
            Suite::Scp02(_) => scp02::MAC,
            Suite::Scp03(suite) => suite.mode().length(),
        }
    }

    const fn block(&self) -> usize {
        match &self.suite {
            Suite::Scp02(_) => 8,
            Suite::Scp03(_) => 16,
        }
    }

    /// How many data bytes fit where `most` do without securing.
    const fn limit(&self, most: usize, mac: bool, encrypted: bool) -> usize {
        match (mac, encrypted) {
            (false, _) => most,
            (true, false) => most - self.mac_length(),
            (true, true) => (most - self.mac_length()) / self.block() * self.block() - 1,
        }
    }

    /// Greatest length of the data of a command at this level.
    pub(super) const fn command_limit(&self) -> usize {
        self.limit(COMMAND_MAX, self.level.c_mac(), self.level.c_decryption())
    }

    /// Greatest length of the data of an answer at this level.
    pub(super) const fn answer_limit(&self) -> usize {
        self.limit(ANSWER_MAX, self.level.r_mac(), self.level.r_encryption())
    }

    /// The length of `data` bytes once secured.
    const fn secured(&self, data: usize, encrypted: bool) -> usize {
        let whole = if encrypted && data > 0 { padding::padded(data, self.block()) } else { data };
        whole + self.mac_length()
    }

    /// Goes on to the level that EXTERNAL AUTHENTICATE asked for.
    pub(super) const fn begin(&mut self, level: Level) {
        (self.level, self.waiting) = (level, false);
        if let Suite::Scp03(suite) = &mut self.suite {
            suite.restart();
        }
    }

    /// Secures a command. Where it fails, nothing has changed.
    pub(super) fn protect_command(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let (level, limit) = (self.level, self.command_limit());
        if length > 6 + COMMAND_MAX {
            return Err(Error::TooLong { limit });
        }
        if !level.c_mac() {
            self.waiting = true;
            return Ok(length);
        }
        let mut frame = Frame::parse(buffer, length)?;
        if frame.is_secured()? {
            return Err(Error::Messaging);
        }
        frame.check_room(self.secured(frame.data, level.c_decryption()), limit)?;
        self.count();
        frame.indicate(true);
        let (header, data) = (frame.secured_header(), frame.data);
        let total = match &mut self.suite {
            Suite::Scp02(suite) => suite.protect_command(header, frame.body, data, level.c_decryption()),
            Suite::Scp03(suite) => suite.protect_command(header, frame.body, data, level.c_decryption()),
        }?;
        frame.finish(total)
    }

    /// Checks a command and takes the securing off.
    pub(super) fn accept_command(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let level = self.level;
        let mut frame = Frame::parse(buffer, length)?;
        if frame.is_secured()? != level.c_mac() {
            return Err(Error::Messaging);
        }
        self.count();
        if !level.c_mac() {
            return Ok(length);
        }
        frame.indicate(false);
        let (header, total) = (frame.secured_header(), frame.data);
        let data = match &mut self.suite {
            Suite::Scp02(suite) => suite.accept_command(header, frame.body, total, level.c_decryption()),
            Suite::Scp03(suite) => suite.accept_command(header, frame.body, total, level.c_decryption()),
        }?;
        frame.finish(data)
    }

    /// A command passes; its answer is awaited.
    const fn count(&mut self) {
        self.waiting = true;
        if let Suite::Scp03(suite) = &mut self.suite {
            suite.advance();
        }
    }

    /// Secures an answer. Where it fails, nothing has changed.
    pub(super) fn protect_answer(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let (data, status) = self.answer(buffer, length)?;
        if !self.is_answer_secured(status) {
            if data > 0 && self.level.r_mac() {
                return Err(Error::Length);
            }
            self.waiting = false;
            return Ok(length);
        }
        let total = self.secured(data, self.level.r_encryption());
        if total > ANSWER_MAX {
            return Err(Error::TooLong { limit: self.answer_limit() });
        }
        if total + 2 > buffer.len() {
            return Err(Error::Buffer);
        }
        let Suite::Scp03(suite) = &self.suite else { return Err(Error::Level) };
        let total = suite.protect_answer(buffer, data, status, self.level.r_encryption())?;
        self.finish_answer(buffer, total, status)
    }

    /// Checks an answer and takes the securing off. Errors carry none (Amendment D, 6.2.5).
    pub(super) fn accept_answer(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let (total, status) = self.answer(buffer, length)?;
        if !self.is_answer_secured(status) {
            if total > 0 && self.level.r_mac() {
                return Err(Error::Mac);
            }
            self.waiting = false;
            return Ok(length);
        }
        let Suite::Scp03(suite) = &self.suite else { return Err(Error::Level) };
        let data = suite.accept_answer(buffer, total, status, self.level.r_encryption())?;
        self.finish_answer(buffer, data, status)
    }

    /// Length of the data, and the status word.
    fn answer(&self, buffer: &[u8], length: usize) -> Result<(usize, [u8; 2]), Error> {
        if !self.waiting {
            return Err(Error::Order);
        }
        let answer = buffer.get(..length).ok_or(Error::Length)?;
        let (data, status) = answer.split_last_chunk::<2>().ok_or(Error::Length)?;
        if data.len() > ANSWER_MAX { Err(Error::Length) } else { Ok((data.len(), *status)) }
    }

    /// Success and warnings are secured, errors are not.
    const fn is_answer_secured(&self, status: [u8; 2]) -> bool {
        self.level.r_mac() && matches!(status, [0x90, 0x00] | [0x62 | 0x63, _])
    }

    fn finish_answer(&mut self, buffer: &mut [u8], data: usize, status: [u8; 2]) -> Result<usize, Error> {
        let rest = buffer.get_mut(data..).ok_or(Error::Buffer)?;
        *rest.first_chunk_mut::<2>().ok_or(Error::Buffer)? = status;
        self.waiting = false;
        Ok(data + 2)
    }
}
