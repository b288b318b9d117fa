//! The published vectors (`vectors/secure_channel.txt`, `vectors/aes_long_keys.txt`) and those
//! of a second implementation (`vectors/make_secure_channel.py`): both ends of each session,
//! byte for byte.

extern crate std;

use std::string::String;
use std::vec::Vec;

use super::aes::AesKey;
use super::session::{Session, open};
use super::*;
use crate::apdu::Apdu;
use crate::declare::Command as _;
use crate::security_domain::{ExternalAuthenticate, InitializeUpdate, InitializeUpdateResponse};
use crate::wire::Element as _;

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { hex::decode(text).expect("hex") }
}

fn key(kind: &str, text: &str) -> ChannelKey {
    let kind = if kind == "aes" { KeyType::Aes } else { KeyType::TripleDes };
    ChannelKey::new(kind, &unhex(text)).expect("a key")
}

/// The words of each line.
fn lines(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(' ').collect())
}

/// What an operation makes of `bytes`, in a buffer with room for more.
fn secured(bytes: &[u8], operate: impl FnOnce(&mut [u8], usize) -> Result<usize, Error>) -> String {
    let mut buffer = [0; 300];
    buffer[..bytes.len()].copy_from_slice(bytes);
    let length = operate(&mut buffer, bytes.len()).expect("accepted");
    hex::encode(&buffer[..length])
}

/// Both ends of one session of the file, while its lines are read.
#[derive(Default)]
struct Story {
    keys: Option<KeySet>,
    aid: Vec<u8>,
    card: CardChannel,
    session: Option<Session>,
    opening: Option<HostOpening>,
    host: Option<HostChannel>,
}

impl Story {
    /// INITIALIZE UPDATE: the card must answer as published, the host must accept it.
    fn initialize(&mut self, command: &str, answer: &str) {
        let keys = &self.keys.clone().expect("keys");
        let command = unhex(command);
        let request = InitializeUpdate::decode(&Apdu::parse(&command).expect("an APDU")).expect("a request");
        let answer = InitializeUpdateResponse::from_bytes(&unhex(answer)).expect("an answer");
        let found = self.card_opening(keys, &request.host_challenge, &answer.opening);
        assert_eq!(found.cryptogram(), answer.opening.cryptogram());
        if !self.aid.is_empty() {
            assert_eq!(found, answer.opening);
        }
        self.session = open(keys, &request.host_challenge, &answer.opening).ok().map(|(session, _)| session);
        self.opening = HostOpening::new(keys, &request.host_challenge, &answer.opening).ok();
    }

    /// What the card opens with. Where the AID is unknown, the challenge is given to it.
    fn card_opening(&mut self, keys: &KeySet, host: &Token, published: &Opening) -> Opening {
        let mut random = [0; 16];
        let (protocol, sequence, challenge) = match published {
            Opening::Scp02 { sequence, challenge, .. } => {
                let variant =
                    if self.aid.is_empty() { Scp02Variant::Random } else { Scp02Variant::PseudoRandom };
                (Protocol::Scp02(variant), u32::from(*sequence), &challenge[..])
            }
            Opening::Scp03 { variant, challenge, sequence: [a, b, c], .. } => {
                let i = if self.aid.is_empty() { variant.byte() & !0x10 } else { variant.byte() };
                let protocol = Protocol::Scp03(Scp03Variant::new(i).expect("a variant"));
                (protocol, u32::from_be_bytes([0, *a, *b, *c]), challenge.as_slice())
            }
        };
        random[..challenge.len()].copy_from_slice(challenge);
        let fresh = Freshness { sequence, aid: &self.aid, random };
        self.card.initialize(keys, protocol, host, &fresh).expect("an opening")
    }

    fn authenticate(&mut self, published: &str) {
        let bytes = unhex(published);
        let level = Level::from_bytes(&bytes[2..3]).expect("a level");
        let request = ExternalAuthenticate::decode(&Apdu::parse(&bytes).expect("an APDU"));
        assert_eq!(request.map(|request| request.level), Ok(level));
        let mut buffer = [0; 64];
        let (host, length) =
            self.opening.take().expect("a card").authenticate(level, &mut buffer).expect("a host");
        assert_eq!(hex::encode(&buffer[..length]), published);
        assert_eq!(self.card.authenticate(&mut buffer, length), Ok(level));
        self.host = Some(host);
    }

    fn command(&mut self, plain: &str, published: &str) {
        let host = self.host.as_mut().expect("a session");
        assert_eq!(secured(&unhex(plain), |buffer, length| host.wrap(buffer, length)), published);
        let card = &mut self.card;
        assert_eq!(secured(&unhex(published), |buffer, length| card.unwrap(buffer, length)), plain);
    }

    fn answer(&mut self, published: &str, plain: &str) {
        let (host, card) = (self.host.as_mut().expect("a session"), &mut self.card);
        assert_eq!(secured(&unhex(plain), |buffer, length| card.wrap(buffer, length)), published);
        assert_eq!(secured(&unhex(published), |buffer, length| host.unwrap(buffer, length)), plain);
    }

    fn line(&mut self, line: &[&'static str]) {
        match line {
            ["session", ..] => *self = Self::default(),
            ["keys", kind, enc, mac, dek] => {
                let [enc, mac, dek] = [enc, mac, dek].map(|text| key(kind, text));
                self.keys = Some(KeySet { enc, mac, dek });
            }
            ["aid", aid] => self.aid = unhex(aid),
            ["initialize", command, answer] => self.initialize(command, answer),
            ["derived", keys @ ..] => {
                assert_eq!(self.session.as_ref().expect("a session").keys().map(hex::encode), keys);
            }
            ["authenticate", command] => self.authenticate(command),
            ["command", plain, published] => self.command(plain, published),
            ["answer", published, plain] => self.answer(published, plain),
            ["challenge", enc, aid, sequence, challenge] => {
                let sequence = unhex(sequence).try_into().expect("3 bytes");
                let enc = AesKey::new(&unhex(enc)).expect("a key");
                let found = scp03::challenge(&enc, Mode::S8, sequence, &unhex(aid));
                assert_eq!(hex::encode(found.as_slice()), *challenge);
            }
            ["check", kind, bytes, value] => assert_eq!(hex::encode(key(kind, bytes).check_value()), *value),
            _ => panic!("{line:?}"),
        }
    }
}

/// Lives all sessions of a file; how many lines it has.
fn live(file: &'static str) -> usize {
    let mut story = Story::default();
    let lines = lines(file).inspect(|line| std::println!("{line:?}"));
    lines.map(|line| story.line(&line)).count()
}

#[test]
fn published_sessions() {
    assert_eq!(live(include_str!("../../../vectors/secure_channel.txt")), 208);
}

#[test]
fn computed_sessions() {
    assert_eq!(live(include_str!("../../../vectors/secure_channel_computed.txt")), 73);
}

#[test]
fn aes_of_every_key_length() {
    let mut count = 0;
    for line in lines(include_str!("../../../vectors/aes_long_keys.txt")) {
        let [kind, secret, words @ ..] = &line[..] else { panic!("{line:?}") };
        let key = AesKey::new(&unhex(secret)).expect("a key");
        match (*kind, words) {
            ("cmac", [message, mac]) => {
                let message = unhex(message);
                let (front, rest) = message.split_at(message.len() / 3);
                assert_eq!(hex::encode(key.cmac(&[front, rest])), *mac, "{line:?}");
            }
            ("cbc", [iv, plain, encrypted]) => {
                let iv = unhex(iv).try_into().expect("16 bytes");
                let mut data = unhex(plain);
                key.encrypt(iv, &mut data);
                assert_eq!(hex::encode(&data), *encrypted, "{line:?}");
                key.decrypt(iv, &mut data);
                assert_eq!(hex::encode(&data), *plain, "{line:?}");
            }
            _ => panic!("{line:?}"),
        }
        count += 1;
    }
    assert_eq!(count, 13);
}
