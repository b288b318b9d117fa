//! The card's end of a secure channel, for tests: in front of a card of ours that has none
//! yet, real cryptography and no canned answers.

#![allow(dead_code, unreachable_pub, missing_docs)] // tests and examples use it each in part
#![allow(clippy::unwrap_used)] // a test fails by panicking

use apdu_spec::aid::Aid;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::secure_channel::{
    CardChannel, ChannelKey, Error as ChannelError, Freshness, KeySet, KeyType, Protocol, Scp02Variant,
    Scp03Variant,
};
use apdu_spec::declare::Command;
use apdu_spec::element::{Algorithm, KeyReference, SamId};
use apdu_spec::management::{DataBlock, LAST, MORE, StoreData};
use apdu_spec::personalisation::{DataGroup, Function, KeyData, TransferParameters};
use apdu_spec::security_domain::{InitializeUpdate, InitializeUpdateResponse};
use apdu_spec::wire::Concealed;
use apdu_spec::{Apdu, Element, StatusWord};
use card_os::applets::AppletKind;
use host::Error;
use host::card::execute;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

/// Version of the keys.
pub const KEY_VERSION: u8 = 0x30;

/// A blank transfer card behind a security domain.
pub struct Domain {
    card: VirtualReader,
    channel: CardChannel,
    keys: KeySet,
    protocol: Protocol,
    sequence: u32,
    /// What an attacker on the line does to each secured answer.
    pub attack: fn(&mut Vec<u8>),
}

pub fn scp03(i: u8) -> Protocol {
    Protocol::Scp03(Scp03Variant::new(i).unwrap())
}

pub fn scp02() -> Protocol {
    Protocol::Scp02(Scp02Variant::PseudoRandom)
}

/// Keys for a protocol.
pub fn keys(protocol: Protocol, length: usize) -> KeySet {
    let kind = match protocol {
        Protocol::Scp02(_) => KeyType::TripleDes,
        Protocol::Scp03(_) => KeyType::Aes,
    };
    let key = |number: u8| {
        let bytes: Vec<u8> = (0..32).map(|at| at ^ number << 5).collect();
        ChannelKey::new(kind, &bytes[..length]).unwrap()
    };
    KeySet { enc: key(1), mac: key(2), dek: key(3) }
}

/// What makes the blank card usable, through whatever channel.
pub fn personalise(reader: &mut dyn Reader) -> Result<(), Error> {
    let mut buffer = [0; 200];
    let mut block = |last, block, group, content: &[u8]| {
        let content = Concealed::new(content).unwrap();
        execute::<StoreData>(reader, &DataBlock { last, block, group, content })
    };
    let card = SamId::from_bytes(&[0, 0, 1, 0, 0, 2]).unwrap();
    block(MORE, 0, DataGroup::Transfer, TransferParameters { card }.to_slice(&mut buffer).unwrap())?;
    let reference = KeyReference { algorithm: Algorithm::AesCmac, group: 0, version: 1 };
    let key = KeyData { function: Function::Record, reference, key: Key::new([0x5A; 16]) };
    block(LAST, 1, DataGroup::Key, key.to_slice(&mut buffer).unwrap())
}

impl Domain {
    pub fn new(protocol: Protocol, keys: KeySet) -> Self {
        let random = Box::new(ChaCha8Rng::seed_from_u64(1));
        let card = VirtualReader::blank(AppletKind::Transfer, random).unwrap();
        Self { card, channel: CardChannel::new(), keys, protocol, sequence: 0, attack: |_| () }
    }

    fn initialize(&mut self, apdu: &Apdu<'_>) -> Result<Vec<u8>, StatusWord> {
        let request = InitializeUpdate::decode(apdu)?;
        if ![0, KEY_VERSION].contains(&request.key_version) {
            return Err(StatusWord::REFERENCE_NOT_FOUND);
        }
        let fresh = Freshness {
            sequence: self.sequence,
            aid: Aid::TRANSFER,
            random: [self.sequence.to_be_bytes()[3]; 16],
        };
        let opening = self
            .channel
            .initialize(&self.keys, self.protocol, &request.host_challenge, &fresh)
            .map_err(|_| StatusWord::WRONG_LENGTH)?;
        let response =
            InitializeUpdateResponse { diversification: [0; 10], key_version: KEY_VERSION, opening };
        let mut buffer = [0; 64];
        Ok(response.to_slice(&mut buffer).unwrap().to_vec())
    }

    fn authenticate(&mut self, command: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let mut buffer = command.to_vec();
        self.channel.authenticate(&mut buffer, command.len()).map_err(status)?;
        self.sequence += 1;
        Ok(Vec::new())
    }

    /// A command of the open channel.
    fn secured(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let mut buffer = [0; 300];
        buffer[..command.len()].copy_from_slice(command);
        let length = self.channel.unwrap(&mut buffer, command.len())?;
        let answer = self.card.transmit(&buffer[..length]).unwrap();
        buffer[..answer.len()].copy_from_slice(&answer);
        let length = self.channel.wrap(&mut buffer, answer.len())?;
        let mut answer = buffer[..length].to_vec();
        (self.attack)(&mut answer);
        Ok(answer)
    }
}

fn status(error: ChannelError) -> StatusWord {
    match error {
        ChannelError::Cryptogram => StatusWord::AUTHENTICATION_FAILED,
        ChannelError::Level => StatusWord::WRONG_P1_P2,
        ChannelError::Closed => StatusWord::CONDITIONS_NOT_SATISFIED,
        ChannelError::Length => StatusWord::WRONG_LENGTH,
        _ => StatusWord::SECURITY_NOT_SATISFIED,
    }
}

impl Reader for Domain {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let apdu = Apdu::parse(command).unwrap();
        let answer = match (apdu.cla, apdu.ins) {
            (0x80, 0x50) => self.initialize(&apdu),
            (0x84, 0x82) => self.authenticate(command),
            (0x00, 0xA4) => {
                self.channel.close();
                return self.card.transmit(command);
            }
            _ => return Ok(self.secured(command).unwrap_or_else(|error| status(error).to_bytes().to_vec())),
        };
        Ok(match answer {
            Ok(data) => [data, StatusWord::OK.to_bytes().to_vec()].concat(),
            Err(status) => status.to_bytes().to_vec(),
        })
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.channel.close();
        self.card.reset()
    }
}
