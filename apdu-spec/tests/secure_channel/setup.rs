//! Every protocol, variant, key length and level, and both ends of a session of each.

#![allow(dead_code, unreachable_pub, missing_docs)] // the fuzzer and the tests use it each in part
#![allow(clippy::unwrap_used)] // what fails here fails the run

use apdu_spec::crypto::secure_channel::{
    CardChannel, ChannelKey, Error, Freshness, HostChannel, HostOpening, KeySet, KeyType, Level, Opening,
    Protocol, Scp02Variant, Scp03Variant, Token,
};

/// AID of the security domain.
pub const AID: &[u8] = b"\xA0\x00\x00\x01\x51\x00\x00\x00";

/// What a session is made of.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub protocol: Protocol,
    pub key_length: usize,
    pub level: Level,
}

impl Setup {
    /// All that exist.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for variant in Scp02Variant::ALL {
            all.push((Protocol::Scp02(*variant), 16));
        }
        for variant in (0..=u8::MAX).filter_map(|i| Scp03Variant::new(i).ok()) {
            for length in [16, 24, 32] {
                all.push((Protocol::Scp03(variant), length));
            }
        }
        let levels = |(protocol, key_length)| {
            let exists = move |level: &&Level| Self { protocol, key_length, level: **level }.exists();
            Level::ALL.iter().filter(exists).map(move |level| Self { protocol, key_length, level: *level })
        };
        all.into_iter().flat_map(levels).collect()
    }

    /// Whether the protocol has the level: answers are secured where i says so.
    fn exists(&self) -> bool {
        let i = match self.protocol {
            Protocol::Scp02(_) => 0,
            Protocol::Scp03(variant) => variant.byte(),
        };
        (!self.level.r_mac() || i & 0x20 != 0) && (!self.level.r_encryption() || i & 0x40 != 0)
    }

    /// Length of a MAC.
    pub fn mac(&self) -> usize {
        match self.protocol {
            Protocol::Scp02(_) => 8,
            Protocol::Scp03(variant) => variant.mode().length(),
        }
    }

    pub fn keys(&self, salt: u8) -> KeySet {
        let kind = match self.protocol {
            Protocol::Scp02(_) => KeyType::TripleDes,
            Protocol::Scp03(_) => KeyType::Aes,
        };
        let key = |number: u8| {
            let bytes: Vec<u8> =
                (0..32).map(|at| (at * 2 + number).wrapping_mul(37) ^ salt.wrapping_mul(83)).collect();
            ChannelKey::new(kind, &bytes[..self.key_length]).unwrap()
        };
        KeySet { enc: key(1), mac: key(2), dek: key(3) }
    }

    pub fn challenge(&self, salt: u8) -> Token {
        let bytes: Vec<u8> = (0..16).map(|at| salt.wrapping_mul(29) ^ at).collect();
        Token::from_slice(&bytes[..self.mac()]).unwrap()
    }

    /// INITIALIZE UPDATE at the card.
    pub fn initialize(&self, salt: u8, card: &mut CardChannel) -> Opening {
        let fresh = Freshness { sequence: 7, aid: AID, random: [salt; 16] };
        card.initialize(&self.keys(salt), self.protocol, &self.challenge(salt), &fresh).unwrap()
    }

    /// Both ends, once the card has opened the session, and EXTERNAL AUTHENTICATE.
    pub fn begin(&self, salt: u8) -> (HostChannel, CardChannel, Vec<u8>) {
        let mut card = CardChannel::new();
        let opening = self.initialize(salt, &mut card);
        let host = HostOpening::new(&self.keys(salt), &self.challenge(salt), &opening).unwrap();
        let mut buffer = [0; 40];
        let (host, length) = host.authenticate(self.level, &mut buffer).unwrap();
        (host, card, buffer[..length].to_vec())
    }

    /// Both ends of an open session.
    pub fn open(&self, salt: u8) -> (HostChannel, CardChannel) {
        let (host, mut card, mut command) = self.begin(salt);
        let length = command.len();
        assert_eq!(card.authenticate(&mut command, length), Ok(self.level));
        (host, card)
    }
}

/// What an operation in place makes of `bytes`, with room for more behind them.
pub fn apply(
    bytes: &[u8],
    operate: impl FnOnce(&mut [u8], usize) -> Result<usize, Error>,
) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0xA5; bytes.len() + 40];
    buffer[..bytes.len()].copy_from_slice(bytes);
    let length = operate(&mut buffer, bytes.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A short command APDU.
pub fn command(header: [u8; 4], data: &[u8], le: Option<u8>) -> Vec<u8> {
    let mut apdu = header.to_vec();
    if !data.is_empty() {
        apdu.push(u8::try_from(data.len()).unwrap());
        apdu.extend(data);
    }
    apdu.extend(le);
    apdu
}
