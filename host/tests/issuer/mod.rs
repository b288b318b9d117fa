//! What tests of card management share: blank cards, their issuer's keys, and a line that can
//! be listened to and tampered with.

#![allow(dead_code, unreachable_pub, missing_docs)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test fails by panicking

use apdu_spec::crypto::Key;
use apdu_spec::crypto::secure_channel::{
    ChannelKey, KeySet, KeyType, Level, Mode, Protocol, Scp02Variant, Scp03Variant,
};
use apdu_spec::element::{Algorithm, KeyReference, SamId};
use apdu_spec::personalisation::{DataGroup, DomainParameters, Function, KeyData, TransferParameters};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::{Element as _, StatusWord};
use card_os::applets::AppletKind;
use host::Error;
use host::card::domain::{Access, SecurityDomain};
use host::card::secure::Wish;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

/// Version of the issuer's own keys.
pub const OWN: u8 = 0x30;

pub fn random() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(9)
}

/// A card as it comes from its manufacturer.
pub fn blank(kind: AppletKind) -> Line {
    Line::to(VirtualReader::blank(kind, Box::new(ChaCha8Rng::seed_from_u64(1))).unwrap())
}

/// A line to a card, on which everything that passes is kept, and answers can be changed.
pub struct Line {
    pub card: VirtualReader,
    /// Commands and answers so far.
    pub passed: Vec<(Vec<u8>, Vec<u8>)>,
    /// What an attacker does to each answer that comes out of an open channel.
    pub attack: fn(&mut Vec<u8>),
}

impl Line {
    pub fn to(card: VirtualReader) -> Self {
        Self { card, passed: Vec::new(), attack: |_| () }
    }

    /// Sends a command as it is; the status word.
    pub fn status(&mut self, command: &[u8]) -> StatusWord {
        let answer = self.transmit(command).unwrap();
        StatusWord(u16::from_be_bytes(*answer.last_chunk().unwrap()))
    }

    /// The last command.
    pub fn last(&self) -> Vec<u8> {
        self.passed.last().unwrap().0.clone()
    }
}

impl Reader for Line {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut answer = self.card.transmit(command)?;
        if command[0] & 0x04 != 0 && command[1] != 0x82 {
            (self.attack)(&mut answer);
        }
        self.passed.push((command.to_vec(), answer.clone()));
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.card.reset()
    }
}

pub fn scp03(i: u8) -> Protocol {
    Protocol::Scp03(Scp03Variant::new(i).unwrap())
}

pub const fn scp02(variant: Scp02Variant) -> Protocol {
    Protocol::Scp02(variant)
}

/// Keys of this type, the same for the same `number`.
pub fn keys(kind: KeyType, length: usize, number: u8) -> KeySet {
    let key = |which: u8| {
        let bytes: Vec<u8> = (0..32).map(|at| at ^ which << 5 ^ number.wrapping_mul(0x35)).collect();
        ChannelKey::new(kind, &bytes[..length]).unwrap()
    };
    KeySet { enc: key(1), mac: key(2), dek: key(3) }
}

/// AES-128 keys.
pub fn aes(number: u8) -> KeySet {
    keys(KeyType::Aes, 16, number)
}

/// Keys for a protocol.
pub fn keys_of(protocol: Protocol, length: usize) -> KeySet {
    let kind = match protocol {
        Protocol::Scp02(_) => KeyType::TripleDes,
        Protocol::Scp03(_) => KeyType::Aes,
    };
    keys(kind, length, 0)
}

/// The issuer's own keys in a channel of this protocol and level.
pub fn access(protocol: Protocol, keys: KeySet, level: Level) -> Access {
    let mode = match protocol {
        Protocol::Scp02(_) => Mode::S8,
        Protocol::Scp03(variant) => variant.mode(),
    };
    Access { keys, wish: Wish { key_version: OWN, mode, level } }
}

/// What the security domain is to be like, with no limit of attempts.
pub fn parameters(protocol: Protocol) -> DomainParameters {
    let initial = DomainParameters::initial();
    match protocol {
        Protocol::Scp02(scp02) => DomainParameters { scp02, ..initial },
        Protocol::Scp03(scp03) => DomainParameters { scp03, ..initial },
    }
}

/// Gives a blank card the issuer's keys, for this protocol.
pub fn prepare<R: Reader>(reader: R, protocol: Protocol, keys: &KeySet) {
    let mut domain = SecurityDomain::open(reader, &Access::initial(), &mut random()).unwrap();
    domain.put_keys(domain.key_version(), OWN, keys).unwrap();
    domain.store(&domain_block(&parameters(protocol))).unwrap();
}

pub fn domain_block(parameters: &DomainParameters) -> DataBlock {
    DataBlock::of(true, 0, DataGroup::Domain, parameters).unwrap()
}

/// What makes a blank transfer card usable.
pub fn transfer_blocks() -> [DataBlock; 2] {
    let card = SamId::from_bytes(&[0, 0, 1, 0, 0, 2]).unwrap();
    let reference = KeyReference { algorithm: Algorithm::AesCmac, group: 0, version: 1 };
    let key = KeyData { function: Function::Record, reference, key: Key::new([0x5A; 16]) };
    [
        DataBlock::of(false, 0, DataGroup::Transfer, &TransferParameters { card }).unwrap(),
        DataBlock::of(true, 1, DataGroup::Key, &key).unwrap(),
    ]
}

/// The status word of what was refused.
pub fn refused<T>(result: Result<T, Error>) -> StatusWord {
    match result {
        Err(Error::Status { status, .. }) => status,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("not refused"),
    }
}
