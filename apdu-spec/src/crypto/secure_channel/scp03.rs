//! SCP03: session keys, cryptograms, and what is done to commands and answers (GlobalPlatform
//! Card Specification, Amendment D v1.2).

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::aes::AesKey;
use super::{Error, Mode, Token, padding};

/// Derivation constants (table 4-1).
mod constant {
    pub(super) const CARD_CRYPTOGRAM: u8 = 0x00;
    pub(super) const HOST_CRYPTOGRAM: u8 = 0x01;
    pub(super) const CARD_CHALLENGE: u8 = 0x02;
    pub(super) const S_ENC: u8 = 0x04;
    pub(super) const S_MAC: u8 = 0x06;
    pub(super) const S_RMAC: u8 = 0x07;
}

/// The counter's first bit in the ICV of an answer (clause 6.2.7).
const ANSWER: u128 = 1 << 127;

/// What a session remembers from command to command.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Scp03 {
    enc: AesKey,
    mac: AesKey,
    rmac: AesKey,
    /// MAC chaining value: the whole last C-MAC (clause 6.2.3).
    chaining: [u8; 16],
    /// Commands since EXTERNAL AUTHENTICATE (clause 6.2.6).
    counter: u128,
    #[zeroize(skip)]
    mode: Mode,
}

/// Key derivation in counter mode with CMAC (clause 4.1.5, NIST SP 800-108): eleven bytes
/// 00 and the constant, 00, length in bits, counter, context.
fn derive(key: &AesKey, constant: u8, bytes: u8, context: [&[u8]; 2]) -> [u8; 32] {
    let mut derived = [0; 32];
    let [high, low] = (u16::from(bytes) * 8).to_be_bytes();
    let [first, second] = context;
    let wanted = usize::from(bytes).div_ceil(16);
    for (counter, block) in (1..=2).zip(derived.as_chunks_mut::<16>().0).take(wanted) {
        *block = key.cmac(&[&[0; 11], &[constant, 0, high, low, counter], first, second]);
    }
    derived
}

/// A challenge or cryptogram: the first bytes of a derivation.
fn token(key: &AesKey, constant: u8, mode: Mode, context: [&[u8]; 2]) -> Token {
    let bytes = match mode {
        Mode::S8 => 8,
        Mode::S16 => 16,
    };
    let [block, _] = halves(derive(key, constant, bytes, context));
    Token::new(mode, block)
}

const fn halves(bytes: [u8; 32]) -> [[u8; 16]; 2] {
    match bytes.as_chunks::<16>().0 {
        [first, second] => [*first, *second],
        _ => [[0; 16]; 2],
    }
}

/// The pseudo-random challenge (clause 6.2.2.1): from the sequence counter and the AID of
/// the security domain, under the static K-ENC.
pub(super) fn challenge(enc: &AesKey, mode: Mode, sequence: [u8; 3], aid: &[u8]) -> Token {
    token(enc, constant::CARD_CHALLENGE, mode, [&sequence, aid])
}

impl Scp03 {
    /// The session of two challenges (clause 6.2.1), and the cryptograms of card and host
    /// (clause 6.2.2).
    pub(super) fn new(enc: &AesKey, mac: &AesKey, host: &Token, card: &Token) -> (Self, [Token; 2]) {
        let context = [host.as_slice(), card.as_slice()];
        let key = |key: &AesKey, constant| {
            let length = u8::try_from(key.expose().len()).unwrap_or(0);
            let mut bytes = derive(key, constant, length, context);
            let derived = key.alike(bytes);
            bytes.zeroize();
            derived
        };
        let (mode, chaining) = (card.mode(), [0; 16]);
        let (enc, rmac, mac) =
            (key(enc, constant::S_ENC), key(mac, constant::S_RMAC), key(mac, constant::S_MAC));
        let cryptogram = |constant| token(&mac, constant, mode, context);
        let cryptograms = [cryptogram(constant::CARD_CRYPTOGRAM), cryptogram(constant::HOST_CRYPTOGRAM)];
        (Self { enc, mac, rmac, chaining, counter: 0, mode }, cryptograms)
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// S-ENC, S-MAC, S-RMAC.
    #[cfg(test)]
    pub(super) const fn keys(&self) -> [&[u8]; 3] {
        [self.enc.expose(), self.mac.expose(), self.rmac.expose()]
    }

    /// EXTERNAL AUTHENTICATE itself does not count.
    pub(super) const fn restart(&mut self) {
        self.counter = 0;
    }

    /// Counts a command, with data or without (clause 6.2.6).
    pub(super) const fn advance(&mut self) {
        self.counter = self.counter.wrapping_add(1);
    }

    /// Where the chain of the cipher starts (clauses 6.2.6 and 6.2.7).
    fn icv(&self, direction: u128) -> [u8; 16] {
        self.enc.encrypt_block((self.counter | direction).to_be_bytes())
    }

    /// The next C-MAC, whole: over chaining value, header, Lc and data (clause 6.2.4).
    fn c_mac(&self, [cla, ins, p1, p2]: [u8; 4], lc: usize, data: &[u8]) -> Result<[u8; 16], Error> {
        let lc = u8::try_from(lc).map_err(|_| Error::Length)?;
        Ok(self.mac.cmac(&[&self.chaining, &[cla, ins, p1, p2, lc], data]))
    }

    fn r_mac(&self, data: &[u8], status: [u8; 2]) -> Token {
        Token::new(self.mode, self.rmac.cmac(&[&self.chaining, data, &status]))
    }

    /// Encrypts and MACs the first `data` bytes of `body`; the new length.
    pub(super) fn protect_command(
        &mut self,
        header: [u8; 4],
        body: &mut [u8],
        data: usize,
        encrypt: bool,
    ) -> Result<usize, Error> {
        let length = self.encrypt(body, data, encrypt.then_some(0))?;
        let (data, rest) = body.split_at_mut_checked(length).ok_or(Error::Buffer)?;
        let total = length + self.mode.length();
        let whole = self.c_mac(header, total, data)?;
        append(rest, &Token::new(self.mode, whole))?;
        self.chaining = whole;
        Ok(total)
    }

    /// Checks and decrypts the first `length` bytes of `body`; the length of the data.
    pub(super) fn accept_command(
        &mut self,
        header: [u8; 4],
        body: &mut [u8],
        length: usize,
        encrypted: bool,
    ) -> Result<usize, Error> {
        let (data, mac) = self.split(body, length)?;
        let whole = self.c_mac(header, length, data)?;
        if Token::new(self.mode, whole) != mac {
            return Err(Error::Mac);
        }
        self.chaining = whole;
        self.decrypt(data, encrypted.then_some(0))
    }

    /// Encrypts and MACs an answer: like a command, over data and status word (clauses 6.2.5
    /// and 6.2.7).
    pub(super) fn protect_answer(
        &self,
        body: &mut [u8],
        data: usize,
        status: [u8; 2],
        encrypt: bool,
    ) -> Result<usize, Error> {
        let length = self.encrypt(body, data, encrypt.then_some(ANSWER))?;
        let (data, rest) = body.split_at_mut_checked(length).ok_or(Error::Buffer)?;
        append(rest, &self.r_mac(data, status))?;
        Ok(length + self.mode.length())
    }

    /// Checks and decrypts an answer; the length of its data.
    pub(super) fn accept_answer(
        &self,
        body: &mut [u8],
        length: usize,
        status: [u8; 2],
        encrypted: bool,
    ) -> Result<usize, Error> {
        let (data, mac) = self.split(body, length)?;
        if self.r_mac(data, status) != mac {
            return Err(Error::Mac);
        }
        self.decrypt(data, encrypted.then_some(ANSWER))
    }

    /// The data, and the MAC behind them.
    fn split<'b>(&self, body: &'b mut [u8], length: usize) -> Result<(&'b mut [u8], Token), Error> {
        let data = length.checked_sub(self.mode.length()).ok_or(Error::Mac)?;
        let whole = body.get_mut(..length).ok_or(Error::Length)?;
        let (data, mac) = whole.split_at_mut_checked(data).ok_or(Error::Mac)?;
        Ok((data, Token::from_slice(mac).map_err(|_| Error::Mac)?))
    }

    /// Pads and encrypts, where there are data and a direction; the length behind it.
    fn encrypt(&self, body: &mut [u8], data: usize, direction: Option<u128>) -> Result<usize, Error> {
        let Some(direction) = direction.filter(|_| data > 0) else { return Ok(data) };
        let whole = padding::pad(body, data, 16)?;
        self.enc.encrypt(self.icv(direction), whole);
        Ok(whole.len())
    }

    /// Decrypts, where there are data and a direction; the length without padding.
    fn decrypt(&self, data: &mut [u8], direction: Option<u128>) -> Result<usize, Error> {
        let Some(direction) = direction.filter(|_| !data.is_empty()) else { return Ok(data.len()) };
        if !data.len().is_multiple_of(16) {
            return Err(Error::Padding);
        }
        self.enc.decrypt(self.icv(direction), data);
        padding::unpadded(data, 16)
    }
}

fn append(rest: &mut [u8], mac: &Token) -> Result<(), Error> {
    rest.get_mut(..mac.as_slice().len()).ok_or(Error::Buffer)?.copy_from_slice(mac.as_slice());
    Ok(())
}
