//! The issuer security domain of a card, over an open secure channel: what is on the card,
//! its life cycle and its keys, and personalisation.
//!
//! [`SecurityDomain::open`] selects it and opens the channel. What anybody may know, the free
//! functions ask: [`recognition`], [`key_information`], [`diversification`], [`attempts`].

use apdu_spec::aid::{Aid, ApplicationKind};
use apdu_spec::crypto::secure_channel::{KeySet, KeyType, Level, Mode, Token};
use apdu_spec::life_cycle::CardState;
pub use apdu_spec::security_domain::{Attempts, KeyInformation};
use apdu_spec::security_domain::{
    DataBlock, Delete, DeleteRequest, Deletion, GetData, GetDataRequest, GetStatus, INITIAL_KEY_VERSION,
    InitializeUpdate, InitializeUpdateRequest, Install, InstallData, InstallRequest, KEY_IDENTIFIER, LOCKED,
    PutKey, PutKeyRequest, SetStatus, SetStatusRequest, StatusRequest, StoreData, purpose, subset, tag,
};
use apdu_spec::wire::Octets;
use apdu_spec::{Command as _, Element as _, StatusWord};
use iso7816_tlv::ber::{Tag, Tlv, Value};
use rand_core::Rng;

use super::secure::{SecureReader, Wish};
use super::{execute, select};
use crate::Error;
use crate::reader::Reader;

/// P2 of GET STATUS: objects.
const OBJECTS: u8 = 0x02;
/// Everything secured.
const FULL: Level = Level::CDecryptionREncryptionCMacRMac;

/// How to get in: keys and what is asked of the channel.
#[derive(Clone, Debug)]
pub struct Access {
    /// The keys.
    pub keys: KeySet,
    /// Their version, and how the channel is secured.
    pub wish: Wish,
}

impl Access {
    /// These keys in a channel that secures as much as their protocol can.
    #[must_use]
    pub fn with(keys: KeySet, key_version: u8) -> Self {
        let level = match keys.enc.kind() {
            KeyType::Aes => FULL,
            KeyType::TripleDes => Level::CDecryptionCMac,
        };
        Self { keys, wish: Wish { key_version, mode: Mode::S8, level } }
    }

    /// A card as it comes from its manufacturer, with the keys of sample cards.
    #[must_use]
    pub fn initial() -> Self {
        Self::with(KeySet::sample(KeyType::Aes), INITIAL_KEY_VERSION)
    }
}

/// One line of GET STATUS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Name.
    pub aid: Aid,
    /// Life cycle: a [`CardState`] or [`LifeCycle`](apdu_spec::life_cycle::LifeCycle) by its code.
    pub state: u8,
    /// The load file that it comes from.
    pub load_file: Option<Aid>,
    /// The modules in it.
    pub modules: Vec<Aid>,
}

/// An issuer security domain behind its secure channel. Dropped, the channel is only
/// forgotten: the next SELECT ends it on the card.
#[derive(Debug)]
pub struct SecurityDomain<R> {
    reader: SecureReader<R>,
}

impl<R: Reader> SecurityDomain<R> {
    /// Selects the security domain and opens a channel with it.
    pub fn open(mut reader: R, access: &Access, random: &mut dyn Rng) -> Result<Self, Error> {
        select_domain(&mut reader)?;
        Ok(Self { reader: SecureReader::open(reader, &access.keys, access.wish, random)? })
    }

    /// Version of the keys under which the channel was opened.
    #[must_use]
    pub const fn key_version(&self) -> u8 {
        self.reader.key_version()
    }

    /// State of the card.
    pub fn card_state(&mut self) -> Result<CardState, Error> {
        let malformed = || Error::Answer { command: GetStatus::ROW.name };
        let domain = self.status(subset::DOMAIN)?.into_iter().next().ok_or_else(malformed)?;
        CardState::from_bytes(&[domain.state]).map_err(|_| malformed())
    }

    /// The applications on the card.
    pub fn applications(&mut self) -> Result<Vec<Entry>, Error> {
        self.status(subset::APPLICATIONS)
    }

    /// What applications can be installed from.
    pub fn load_files(&mut self) -> Result<Vec<Entry>, Error> {
        self.status(subset::LOAD_FILES_AND_MODULES)
    }

    fn status(&mut self, subset: u8) -> Result<Vec<Entry>, Error> {
        let everything =
            Octets::new(&[0x4F, 0x00]).map_err(|_| Error::Request { command: GetStatus::ROW.name })?;
        let request = StatusRequest { subset, form: OBJECTS, search: everything };
        match execute::<GetStatus>(&mut self.reader, &request) {
            Ok(response) => entries(response.lines.as_slice()),
            Err(error) if error.status() == Some(StatusWord::REFERENCE_NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Installs an application of a kind under a name, and makes it selectable.
    pub fn install(&mut self, kind: ApplicationKind, name: &Aid) -> Result<(), Error> {
        let aid = |bytes| Aid::new(bytes).map_err(|_| Error::Request { command: Install::ROW.name });
        let data = InstallData {
            load_file: aid(kind.load_file())?,
            module: aid(kind.module())?,
            application: name.clone(),
            privileges: Octets::new(&[0]).unwrap_or_default(),
            ..InstallData::default()
        };
        self.install_for(purpose::INSTALL_AND_SELECTABLE, data)
    }

    fn install_for(&mut self, purpose: u8, data: InstallData) -> Result<(), Error> {
        execute::<Install>(&mut self.reader, &InstallRequest { purpose, reserved: 0, data }).map(drop)
    }

    /// Deletes an application that holds no value.
    pub fn delete(&mut self, name: &Aid) -> Result<(), Error> {
        self.delete_what(Deletion::Application(name.clone()))
    }

    /// Deletes the keys of a version.
    pub fn delete_keys(&mut self, version: u8) -> Result<(), Error> {
        self.delete_what(Deletion::Keys { version })
    }

    fn delete_what(&mut self, what: Deletion) -> Result<(), Error> {
        execute::<Delete>(&mut self.reader, &DeleteRequest { related: 0, what }).map(drop)
    }

    /// Blocks an application, or takes it into use again.
    pub fn block(&mut self, name: &Aid, blocked: bool) -> Result<(), Error> {
        let state = if blocked { LOCKED } else { 0 };
        self.set_status(subset::APPLICATIONS, state, name.clone())
    }

    /// Changes the state of the card. TERMINATED is for ever. A state of use, also the one that the
    /// card has, takes it into use again where wrong authentications have blocked it.
    pub fn set_card_state(&mut self, state: CardState) -> Result<(), Error> {
        self.set_status(subset::DOMAIN, state as u8, Aid::default())
    }

    fn set_status(&mut self, subset: u8, state: u8, application: Aid) -> Result<(), Error> {
        execute::<SetStatus>(&mut self.reader, &SetStatusRequest { subset, state, application })
    }

    /// Puts keys of a version; those of version `replaced` (00 for none) work until a channel has
    /// been opened with the new ones, unless it is the same version. The card's check values are compared.
    pub fn put_keys(&mut self, replaced: u8, version: u8, keys: &KeySet) -> Result<(), Error> {
        let sealed = self.reader.seal(keys)?;
        let request = PutKeyRequest { replaced, identifier: KEY_IDENTIFIER, version, keys: sealed };
        let answer = execute::<PutKey>(&mut self.reader, &request)?;
        let right = (answer.version, answer.check_values) == (version, keys.check_values());
        if right { Ok(()) } else { Err(Error::Answer { command: PutKey::ROW.name }) }
    }

    /// Brings data groups to an application. Interrupted, it may be done again from the start,
    /// until the last block has made the application PERSONALIZED.
    pub fn personalise(&mut self, name: &Aid, blocks: &[DataBlock]) -> Result<(), Error> {
        let data = InstallData { application: name.clone(), ..InstallData::default() };
        self.install_for(purpose::PERSONALIZATION, data)?;
        blocks.iter().try_for_each(|block| self.store(block))
    }

    /// Brings a data group to the application that personalisation was begun of, else to the
    /// security domain itself.
    pub fn store(&mut self, block: &DataBlock) -> Result<(), Error> {
        execute::<StoreData>(&mut self.reader, block)
    }

    /// The reader behind the channel, for other commands.
    pub const fn reader(&mut self) -> &mut SecureReader<R> {
        &mut self.reader
    }
}

/// Selects the security domain; also of a card that is locked.
pub fn select_domain(reader: &mut dyn Reader) -> Result<(), Error> {
    match select(reader, Aid::SECURITY_DOMAIN) {
        Err(error) if error.status() == Some(StatusWord::BLOCKED) => Ok(()),
        other => other,
    }
}

/// Whether the card is TERMINATED. Asks the security domain that is selected for a channel, which
/// is then not opened: that costs no attempt, and a card at its end refuses it in any case.
pub fn is_terminated(reader: &mut dyn Reader) -> Result<bool, Error> {
    let host_challenge = Token::new(Mode::S8, [0; 16]);
    let request = InitializeUpdateRequest { key_version: 0, host_challenge };
    match execute::<InitializeUpdate>(reader, &request) {
        Err(error) if error.status() == Some(StatusWord::CONDITIONS_NOT_SATISFIED) => Ok(true),
        Err(error) if error.status().is_none() => Err(error),
        _ => Ok(false),
    }
}

/// The content of GET DATA of the security domain that is selected, without tag and length.
pub fn data(reader: &mut dyn Reader, wanted: u16) -> Result<Vec<u8>, Error> {
    let malformed = || Error::Answer { command: GetData::ROW.name };
    let object = execute::<GetData>(reader, &GetDataRequest { tag: wanted })?.object;
    // Read as bytes: production data are no template, though their tag has the looks.
    let bytes = object.as_slice();
    let tag = wanted.to_be_bytes();
    let rest = bytes.strip_prefix(&tag[usize::from(tag[0] == 0)..]).ok_or_else(malformed)?;
    let value = match rest {
        [0x81, length, value @ ..] | [length, value @ ..] if value.len() == usize::from(*length) => value,
        _ => return Err(malformed()),
    };
    Ok(value.to_vec())
}

/// The card recognition data of the security domain that is selected.
pub fn recognition(reader: &mut dyn Reader) -> Result<Vec<u8>, Error> {
    data(reader, tag::CARD_DATA)
}

/// What the keys of the card are diversified with: ten bytes that tell it from others.
pub fn diversification(reader: &mut dyn Reader) -> Result<Vec<u8>, Error> {
    data(reader, tag::DIVERSIFICATION)
}

/// The wrong authentications in a row of the security domain that is selected; nothing where the
/// card does not tell.
pub fn attempts(reader: &mut dyn Reader) -> Result<Option<Attempts>, Error> {
    match data(reader, tag::ATTEMPTS) {
        Err(error) if error.status().is_some() => Ok(None),
        told => {
            let malformed = |_| Error::Answer { command: GetData::ROW.name };
            Attempts::from_bytes(&told?).map(Some).map_err(malformed)
        }
    }
}

/// Refuses a card that wrong authentications have blocked, as its security domain tells that is
/// selected.
pub fn refuse_blocked(reader: &mut dyn Reader) -> Result<(), Error> {
    match attempts(reader)? {
        Some(attempts) if attempts.block() => Err(Error::CardBlocked(attempts.wrong)),
        _ => Ok(()),
    }
}

/// The keys of the security domain that is selected.
pub fn key_information(reader: &mut dyn Reader) -> Result<Vec<KeyInformation>, Error> {
    let malformed = || Error::Answer { command: GetData::ROW.name };
    let value = data(reader, tag::KEY_INFORMATION)?;
    let keys = Tlv::parse_all(&value).into_iter().map(|key| match key.value() {
        Value::Primitive(bytes) => KeyInformation::from_bytes(bytes).map_err(|_| malformed()),
        Value::Constructed(_) => Err(malformed()),
    });
    keys.collect()
}

/// The versions of the keys of the security domain that is selected.
pub fn key_versions(reader: &mut dyn Reader) -> Result<Vec<u8>, Error> {
    let mut versions: Vec<u8> = key_information(reader)?.into_iter().map(|key| key.version).collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(versions)
}

/// The lines of GET STATUS.
fn entries(lines: &[u8]) -> Result<Vec<Entry>, Error> {
    let malformed = || Error::Answer { command: GetStatus::ROW.name };
    let tag = |bytes: u16| Tag::try_from(bytes).map_err(|_| malformed());
    let (name, state, file, module) = (tag(0x4F)?, tag(0x9F70)?, tag(0xC4)?, tag(0x84)?);
    let entry = |line: Tlv| -> Result<Entry, Error> {
        let Value::Constructed(objects) = line.value() else { return Err(malformed()) };
        let values = |wanted: &Tag| -> Vec<Vec<u8>> {
            let of_tag = objects.iter().filter(|object| object.tag() == wanted);
            of_tag
                .filter_map(|object| match object.value() {
                    Value::Primitive(bytes) => Some(bytes.clone()),
                    Value::Constructed(_) => None,
                })
                .collect()
        };
        let aids = |wanted: &Tag| -> Result<Vec<Aid>, Error> {
            values(wanted).iter().map(|bytes| Aid::new(bytes).map_err(|_| malformed())).collect()
        };
        let state = values(&state).first().and_then(|bytes| bytes.first().copied());
        Ok(Entry {
            aid: aids(&name)?.into_iter().next().ok_or_else(malformed)?,
            state: state.ok_or_else(malformed)?,
            load_file: aids(&file)?.into_iter().next(),
            modules: aids(&module)?,
        })
    };
    Tlv::parse_all(lines).into_iter().map(entry).collect()
}
