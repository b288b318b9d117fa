//! SCP02 with i = 15 and 55: session keys, cryptograms, and what is done to commands
//! (GlobalPlatform Card Specification 2.3.1, appendix E). Answers travel as they are: neither
//! variant has an R-MAC.
//!
//! The C-MAC is made before encryption, so that a card must decrypt before it can check. A
//! card that tells a wrong padding from a wrong MAC, by its answer or by its time, decrypts
//! for others (Avoine and Ferreira, CHES 2018): both are one error here, and the same blocks
//! go through the chain whatever the padding is.

use subtle::{ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Error, Token, des, padding};
use crate::crypto::Key;
use crate::crypto::mac::MacKey;
use crate::crypto::retail::Retail;
use crate::element::Algorithm;

/// Derivation constants (clause E.4.1).
mod constant {
    pub(super) const C_MAC: u16 = 0x0101;
    pub(super) const S_DEK: u16 = 0x0181;
    pub(super) const S_ENC: u16 = 0x0182;
}

/// Length of a C-MAC.
pub(super) const MAC: usize = 8;

/// What a session remembers from command to command.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Scp02 {
    enc: Key,
    mac: Key,
    /// Where the next C-MAC starts: zero, then the last C-MAC, encrypted (clause E.3.4).
    icv: u64,
}

/// A session key: Triple DES of constant, sequence counter and twelve bytes 00 (clause E.4.1).
fn derive(key: &Key, constant: u16, sequence: u16) -> Key {
    let ([a, b], [c, d]) = (constant.to_be_bytes(), sequence.to_be_bytes());
    let mut bytes = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    des::encrypt(key, &mut bytes);
    let derived = Key::new(bytes);
    bytes.zeroize();
    derived
}

/// A cryptogram: the last block of the padded sixteen bytes in Triple DES (clause E.4.2).
fn cryptogram(key: &Key, first: u64, second: u64) -> Token {
    let mut blocks = [first.to_be_bytes(), second.to_be_bytes(), [0x80, 0, 0, 0, 0, 0, 0, 0]];
    des::encrypt(key, blocks.as_flattened_mut());
    let [_, _, last] = blocks;
    Token::short(last)
}

/// The pseudo-random challenge of i = 55 (clause E.4.2.3): the first six bytes of the C-MAC
/// of the AID, under the session key of the sequence counter.
pub(super) fn challenge(mac: &Key, sequence: u16, aid: &[u8]) -> [u8; 6] {
    let key = derive(mac, constant::C_MAC, sequence);
    let [challenge @ .., _, _] = MacKey::new(&key, Algorithm::RetailMac).mac(aid).0;
    challenge
}

/// The session DEK.
pub(super) fn session_dek(dek: &Key, sequence: u16) -> Key {
    derive(dek, constant::S_DEK, sequence)
}

impl Scp02 {
    /// The session of a sequence counter, and the cryptograms of card and host.
    pub(super) fn new(
        enc: &Key,
        mac: &Key,
        sequence: u16,
        host: [u8; 8],
        card: [u8; 6],
    ) -> (Self, [Token; 2]) {
        let (enc, mac) = (derive(enc, constant::S_ENC, sequence), derive(mac, constant::C_MAC, sequence));
        let ([a, b], [c, d, e, f, g, h]) = (sequence.to_be_bytes(), card);
        let (host, card) = (u64::from_be_bytes(host), u64::from_be_bytes([a, b, c, d, e, f, g, h]));
        let cryptograms = [cryptogram(&enc, host, card), cryptogram(&enc, card, host)];
        (Self { enc, mac, icv: 0 }, cryptograms)
    }

    /// S-ENC, C-MAC.
    #[cfg(test)]
    pub(super) const fn keys(&self) -> [&[u8]; 2] {
        [self.enc.expose(), self.mac.expose()]
    }

    /// The chain over header, `data` and one byte behind them, filled up with zeros: its
    /// last state but one, and its last.
    fn chain(&self, retail: &Retail, header: [u8; 5], data: &[u8], behind: u8) -> [u64; 2] {
        let blocks = (header.len() + data.len()) / 8 + 1;
        let mut bytes = header.into_iter().chain(data.iter().copied()).chain([behind]);
        let [mut before, mut state] = [self.icv; 2];
        for _ in 0..blocks {
            before = state;
            state = retail.next(state, core::array::from_fn(|_| bytes.next().unwrap_or(0)));
        }
        [before, state]
    }

    /// Takes a C-MAC over as the ICV of the next.
    fn remember(&mut self, retail: &Retail, mac: u64) {
        self.icv = retail.encrypt(mac);
    }

    /// MACs, then encrypts the first `data` bytes of `body`; the new length.
    pub(super) fn protect_command(
        &mut self,
        header: [u8; 4],
        body: &mut [u8],
        data: usize,
        encrypt: bool,
    ) -> Result<usize, Error> {
        let retail = Retail::new(&self.mac);
        let plain = body.get(..data).ok_or(Error::Buffer)?;
        let [_, state] = self.chain(&retail, covered(header, data)?, plain, 0x80);
        let mac = retail.finish(state);
        let length = if encrypt && data > 0 {
            let whole = padding::pad(body, data, 8)?;
            des::encrypt(&self.enc, whole);
            whole.len()
        } else {
            data
        };
        let place =
            body.get_mut(length..).and_then(|rest| rest.first_chunk_mut::<MAC>()).ok_or(Error::Buffer)?;
        *place = mac.to_be_bytes();
        self.remember(&retail, mac);
        Ok(length + MAC)
    }

    /// Decrypts and checks the first `length` bytes of `body`; the length of the data.
    pub(super) fn accept_command(
        &mut self,
        header: [u8; 4],
        body: &mut [u8],
        length: usize,
        encrypted: bool,
    ) -> Result<usize, Error> {
        let whole = body.get_mut(..length).ok_or(Error::Length)?;
        let (data, found) = whole.split_last_chunk_mut::<MAC>().ok_or(Error::Mac)?;
        let found = u64::from_be_bytes(*found);
        let retail = Retail::new(&self.mac);
        let (mac, plain, valid) = if encrypted && !data.is_empty() {
            if !data.len().is_multiple_of(8) {
                return Err(Error::Mac);
            }
            des::decrypt(&self.enc, data);
            self.mac_of_padded(&retail, header, data)?
        } else {
            let [_, state] = self.chain(&retail, covered(header, data.len())?, data, 0x80);
            (retail.finish(state), data.len(), 1.into())
        };
        if !bool::from(mac.ct_eq(&found) & valid) {
            return Err(Error::Mac);
        }
        self.remember(&retail, mac);
        Ok(plain)
    }

    /// The C-MAC of data that stand padded, their length, and whether their padding is one.
    ///
    /// The padding of the cipher is also that of the MAC: five bytes of header before it move
    /// it by three, so that with six bytes of padding or more the chain is a block shorter.
    fn mac_of_padded(
        &self,
        retail: &Retail,
        header: [u8; 4],
        data: &[u8],
    ) -> Result<(u64, usize, subtle::Choice), Error> {
        let (padding, valid) = padding::length(data.last_chunk::<8>().ok_or(Error::Mac)?);
        let plain = data.len().saturating_sub(usize::from(padding));
        let [shorter, state] = self.chain(retail, covered(header, plain)?, data, 0);
        let state = u64::conditional_select(&state, &shorter, padding.ct_gt(&5));
        Ok((retail.finish(state), plain, valid))
    }
}

/// The header with Lc as the C-MAC covers it: that of the plain data with their MAC (clause
/// E.4.4).
fn covered([cla, ins, p1, p2]: [u8; 4], data: usize) -> Result<[u8; 5], Error> {
    Ok([cla, ins, p1, p2, u8::try_from(data + MAC).map_err(|_| Error::Length)?])
}
