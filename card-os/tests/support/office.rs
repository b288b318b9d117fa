//! The issuer's end of a secure channel with a card of the tests.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{HostChannel, HostOpening, KeySet, KeyType, Level, Mode, Token};
use apdu_spec::declare::Command;
use apdu_spec::interindustry::{FIRST_QUIET, Select, SelectRequest};
use apdu_spec::security_domain::{
    DataBlock, ExternalAuthenticate, InitializeUpdate, InitializeUpdateRequest, Install, InstallData,
    InstallRequest, StoreData, purpose,
};
use apdu_spec::{Element, StatusWord};

use super::{response_of, status_of};

/// Whatever carries an APDU to a card and its answer back.
pub trait Line {
    fn exchange(&mut self, command: &[u8]) -> Vec<u8>;

    /// SELECT by name.
    fn choose(&mut self, name: &[u8]) -> StatusWord {
        let request = SelectRequest { occurrence: FIRST_QUIET, aid: Aid::new(name).unwrap() };
        status_of(&self.exchange(Select::encode(&request, &mut [0; 262]).unwrap()))
    }
}

/// An open channel.
pub struct Office(HostChannel);

/// The keys that a card of the tests comes with.
pub fn initial_keys() -> KeySet {
    KeySet::sample(KeyType::Aes)
}

impl Office {
    /// Selects the security domain and opens a channel with the newest keys, everything secured.
    pub fn open(line: &mut impl Line, keys: &KeySet) -> Result<Self, StatusWord> {
        line.choose(Aid::SECURITY_DOMAIN);
        Self::open_here(line, keys, 0)
    }

    /// Opens a channel with what is selected.
    pub fn open_here(line: &mut impl Line, keys: &KeySet, key_version: u8) -> Result<Self, StatusWord> {
        let host_challenge = Token::new(Mode::S8, [0x5C; 16]);
        let request = InitializeUpdateRequest { key_version, host_challenge };
        let mut buffer = [0; 262];
        let answer = line.exchange(InitializeUpdate::encode(&request, &mut buffer).unwrap());
        let opening = response_of::<InitializeUpdate>(&answer)?.opening;
        let opening = HostOpening::new(keys, &host_challenge, &opening);
        let opening = opening.map_err(|_| StatusWord::AUTHENTICATION_FAILED)?;
        let level = Level::CDecryptionREncryptionCMacRMac;
        let (channel, length) = opening.authenticate(level, &mut buffer).unwrap();
        match status_of(&line.exchange(&buffer[..length])) {
            StatusWord::OK => Ok(Self(channel)),
            status => Err(status),
        }
    }

    /// One exchange through the channel.
    pub fn exchange(&mut self, line: &mut impl Line, command: &[u8]) -> Vec<u8> {
        self.try_exchange(line, command).expect("a command that can be secured")
    }

    /// The same for what may be no command at all; then nothing is sent.
    pub fn try_exchange(&mut self, line: &mut impl Line, command: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = [0; 262];
        buffer.get_mut(..command.len())?.copy_from_slice(command);
        let length = self.0.wrap(&mut buffer, command.len()).ok()?;
        let mut answer = line.exchange(&buffer[..length]);
        let length = answer.len();
        let length = self.0.unwrap(&mut answer, length).ok()?;
        answer.truncate(length);
        Some(answer)
    }

    /// One typed exchange through the channel.
    pub fn execute<C: Command>(
        &mut self,
        line: &mut impl Line,
        request: &C::Request,
    ) -> Result<C::Response, StatusWord> {
        response_of::<C>(&self.exchange(line, C::encode(request, &mut [0; 262]).unwrap()))
    }

    /// INSTALL [for personalization].
    pub fn address(&mut self, line: &mut impl Line, name: &[u8]) -> Result<(), StatusWord> {
        let application = Aid::new(name).unwrap();
        let data = InstallData { application, ..InstallData::default() };
        let request = InstallRequest { purpose: purpose::PERSONALIZATION, reserved: 0, data };
        self.execute::<Install>(line, &request).map(drop)
    }

    /// STORE DATA.
    pub fn store(&mut self, line: &mut impl Line, block: &DataBlock) -> Result<(), StatusWord> {
        self.execute::<StoreData>(line, block)
    }

    /// The channel itself, which encrypts keys for PUT KEY.
    pub fn channel(&self) -> &HostChannel {
        &self.0
    }
}

/// The bytes of EXTERNAL AUTHENTICATE with cryptogram and MAC of nobody.
pub fn forged_authentication() -> Vec<u8> {
    [&[0x84, ExternalAuthenticate::ROW.ins, 0x33, 0x00, 0x10][..], &[0xEE; 16]].concat()
}

/// Personalises an application through the channel of the initial keys, and selects it.
pub fn personalise(line: &mut impl Line, name: &[u8], blocks: &[DataBlock]) {
    let mut office = Office::open(line, &initial_keys()).unwrap();
    office.address(line, name).unwrap();
    blocks.iter().for_each(|block| office.store(line, block).unwrap());
    assert_eq!(line.choose(name), StatusWord::OK);
}

/// The block of a data group.
pub fn block<E: Element>(last: bool, group: apdu_spec::personalisation::DataGroup, content: &E) -> DataBlock {
    DataBlock::of(last, 0, group, content).unwrap()
}
