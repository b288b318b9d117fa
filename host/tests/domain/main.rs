//! The issuer security domain of a card: who gets in, who stays out, and what a card is like
//! after it. `session` has what passes through channels, right and wrong, `apart` sessions of
//! other cards and applications, `states` locked and terminated cards, `attempts` those who
//! guess, `keys` PUT KEY and what becomes of old keys.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod apart;
mod attempts;
#[path = "../issuer/mod.rs"]
mod issuer;
mod keys;
mod session;
mod states;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{HostChannel, HostOpening, KeySet, Level, Token};
use apdu_spec::declare::Command;
use apdu_spec::life_cycle::CardState;
use apdu_spec::personalisation::DomainParameters;
use apdu_spec::security_domain::{
    Delete, DeleteRequest, Deletion, GetStatus, InitializeUpdate, InitializeUpdateRequest, Install,
    InstallData, InstallRequest, KEY_IDENTIFIER, KeyBlocks, PutKey, PutKeyRequest, SetStatus,
    SetStatusRequest, StatusRequest, StoreData, purpose, subset,
};
use apdu_spec::wire::Octets;
use card_os::applets::AppletKind;
use host::card::domain::{
    Access, Entry, KeyInformation, SecurityDomain, key_information, key_versions, recognition,
};
use host::card::{execute, select};
use host::reader::Reader as _;
use issuer::{Line, aes, domain_block, random};
use rand_core::Rng as _;

const FULL: Level = Level::CDecryptionREncryptionCMacRMac;

fn aid(bytes: &[u8]) -> Aid {
    Aid::new(bytes).unwrap()
}

fn encoded<C: Command>(request: &C::Request) -> Vec<u8> {
    C::encode(request, &mut [0; 300]).unwrap().to_vec()
}

/// SELECT of the security domain and INITIALIZE UPDATE.
fn begun(line: &mut Line, access: &Access) -> HostOpening {
    // Where the card is locked, this says so and selects it all the same.
    let _ = select(line, Aid::SECURITY_DOMAIN);
    begun_here(line, access, 9)
}

/// INITIALIZE UPDATE with what is selected, and a challenge of this seed.
fn begun_here(line: &mut Line, access: &Access, seed: u8) -> HostOpening {
    let mut challenge = [seed; 16];
    random().fill_bytes(&mut challenge[1..]);
    let host_challenge = Token::new(access.wish.mode, challenge);
    let request = InitializeUpdateRequest { key_version: access.wish.key_version, host_challenge };
    let answer = execute::<InitializeUpdate>(line, &request).unwrap();
    HostOpening::new(&access.keys, &host_challenge, &answer.opening).unwrap()
}

/// EXTERNAL AUTHENTICATE, and the channel that is open if the card takes it.
fn authentication(opening: HostOpening, level: Level) -> (HostChannel, Vec<u8>) {
    let mut buffer = [0; 64];
    let (channel, length) = opening.authenticate(level, &mut buffer).unwrap();
    (channel, buffer[..length].to_vec())
}

/// A channel to the security domain.
fn opened(line: &mut Line, access: &Access) -> HostChannel {
    let (channel, command) = authentication(begun(line, access), access.wish.level);
    assert_eq!(line.status(&command), StatusWord::OK);
    channel
}

/// A command as it passes through the channel.
fn secured(channel: &mut HostChannel, command: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 300];
    buffer[..command.len()].copy_from_slice(command);
    let length = channel.wrap(&mut buffer, command.len()).unwrap();
    buffer[..length].to_vec()
}

/// What is asked for in the tests of this file: one of each command of management, each of
/// which the card would carry out.
fn commands(channel: &HostChannel) -> Vec<(&'static str, Vec<u8>)> {
    let everything = Octets::new(&[0x4F, 0x00]).unwrap();
    let status = StatusRequest { subset: subset::APPLICATIONS, form: 2, search: everything };
    let initialized = CardState::Initialized as u8;
    let state = SetStatusRequest { subset: subset::DOMAIN, state: initialized, application: Aid::default() };
    let install = InstallData {
        load_file: aid(AppletKind::Purse.load_file()),
        module: aid(AppletKind::Purse.module()),
        application: aid(b"\xF0SECOND"),
        privileges: Octets::new(&[0]).unwrap(),
        ..InstallData::default()
    };
    let install = InstallRequest { purpose: purpose::INSTALL_AND_SELECTABLE, reserved: 0, data: install };
    let delete = DeleteRequest { related: 0, what: Deletion::Application(aid(Aid::PURSE)) };
    let attempts = DomainParameters { attempts: 3, ..DomainParameters::initial() };
    vec![
        (GetStatus::ROW.name, encoded::<GetStatus>(&status)),
        (SetStatus::ROW.name, encoded::<SetStatus>(&state)),
        (Install::ROW.name, encoded::<Install>(&install)),
        (StoreData::ROW.name, encoded::<StoreData>(&domain_block(&attempts))),
        (PutKey::ROW.name, put_key(channel, 0x00, 0x31, &aes(0x31))),
        (Delete::ROW.name, encoded::<Delete>(&delete)),
    ]
}

/// PUT KEY, as in this channel: in SCP03 it is the same in all that are opened with the same
/// keys.
fn put_key(channel: &HostChannel, replaced: u8, version: u8, keys: &KeySet) -> Vec<u8> {
    let keys = KeyBlocks::seal(keys, channel).unwrap();
    encoded::<PutKey>(&PutKeyRequest { replaced, identifier: KEY_IDENTIFIER, version, keys })
}

/// What a card tells of itself: all that management can change.
#[derive(PartialEq, Eq, Debug)]
struct Told {
    state: CardState,
    applications: Vec<Entry>,
    keys: Vec<KeyInformation>,
    recognition: Vec<u8>,
}

/// Asks a card, with the keys that it has.
fn told(line: &mut Line, access: &Access) -> Told {
    // A warning where it is locked.
    let _ = select(line, Aid::SECURITY_DOMAIN);
    let (keys, recognition) = (key_information(line).unwrap(), recognition(line).unwrap());
    let mut domain = SecurityDomain::open(line, access, &mut random()).unwrap();
    let (state, applications) = (domain.card_state().unwrap(), domain.applications().unwrap());
    Told { state, applications, keys, recognition }
}

/// Versions of the keys on a card.
fn versions(line: &mut Line) -> Vec<u8> {
    select(line, Aid::SECURITY_DOMAIN).unwrap();
    key_versions(line).unwrap()
}

/// A card with keys of its own, and how to get in.
fn own_card(number: u8) -> (Line, Access) {
    let mut line = issuer::blank(AppletKind::Purse);
    let keys = aes(number);
    issuer::prepare(&mut line, issuer::scp03(0x70), &keys);
    let access = issuer::access(issuer::scp03(0x70), keys, FULL);
    drop(SecurityDomain::open(&mut line, &access, &mut random()).unwrap());
    (line, access)
}

/// The commands of management, as the card takes them in a channel of these keys.
fn all(line: &mut Line, access: &Access) -> Vec<(&'static str, Vec<u8>)> {
    let channel = opened(line, access);
    line.reset().unwrap();
    commands(&channel)
}

/// Outside of a session, what is secured is of a class that the card does not know, or, where
/// that is the class of EXTERNAL AUTHENTICATE, another instruction.
#[track_caller]
fn assert_no_session(status: StatusWord) {
    let expected = [StatusWord::CLASS_NOT_SUPPORTED, StatusWord::INSTRUCTION_NOT_SUPPORTED];
    assert!(expected.contains(&status), "{status}");
}
