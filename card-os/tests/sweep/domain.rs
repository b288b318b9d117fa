//! Card management and the holder's PIN: a purse that has one, on a card with room for another.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet};
use apdu_spec::element::{Algorithm, KeyReference, Pin};
use apdu_spec::life_cycle::CardState;
use apdu_spec::personalisation::{
    DataGroup, DomainParameters, Function, Generation, KeyData, KeyFloor, PinPolicy,
};
use apdu_spec::purse::{ChangePin, ChangePinRequest, GetBalance, PresentPin, ResetPin, VerifyPin};
use apdu_spec::security_domain::{
    Delete, DeleteRequest, Deletion, GetData, GetDataRequest, GetStatus, INITIAL_KEY_VERSION,
    InitializeUpdate, Install, InstallData, InstallRequest, KEY_IDENTIFIER, KeyBlocks, LOCKED, PutKey,
    PutKeyRequest, SetStatus, SetStatusRequest, StatusRequest, purpose, subset, tag,
};
use apdu_spec::wire::{List, Octets};
use apdu_spec::{Element, StatusWord};
use card_os::applets::AppletKind;

use crate::deed::{Command, Situation, Subject};
use crate::personalisation;
use crate::station::Station;
use crate::support::office::{Line as _, Office, block, forged_authentication, initial_keys};
use crate::support::{GROUP, VERSION, amount, iep, key_of, reference, status_of};

/// Name of a second purse.
const SECOND: &[u8] = b"\xF0PURSE2";
/// Versions of key sets.
const OWN: u8 = 0x30;
const OTHER: u8 = 0x31;
/// Attempts at authentication, and tries of the PIN.
const TRIES: u8 = 2;

type Outcome = Result<(), StatusWord>;

#[derive(Clone)]
pub struct Domain;

fn aid(bytes: &[u8]) -> Aid {
    Aid::new(bytes).unwrap()
}

fn pin(digits: &str) -> Pin {
    Pin::new(digits).unwrap()
}

fn keys(version: u8) -> KeySet {
    let key = |number| ChannelKey::aes(&[version ^ number; 16]).unwrap();
    match version {
        INITIAL_KEY_VERSION => initial_keys(),
        _ => KeySet { enc: key(1), mac: key(2), dek: key(4) },
    }
}

/// Opens a channel with the newest keys that the card lets in.
fn open(station: &mut Station) -> Result<Office, StatusWord> {
    station.choose(Aid::SECURITY_DOMAIN);
    let found = [OTHER, OWN, INITIAL_KEY_VERSION].into_iter().find_map(|version| {
        match Office::open_here(station, &keys(version), version) {
            Err(StatusWord::REFERENCE_NOT_FOUND) => None,
            found => Some(found),
        }
    });
    found.unwrap()
}

/// The same for a channel of the purse.
fn open_purse(station: &mut Station) -> Result<Office, StatusWord> {
    station.choose(AppletKind::Purse.aid());
    Office::open_here(station, &initial_keys(), 0)
}

fn put(station: &mut Station, replaced: u8, version: u8) -> Outcome {
    let mut office = open(station)?;
    let keys = KeyBlocks::seal(&keys(version), office.channel()).unwrap();
    let request = PutKeyRequest { replaced, identifier: KEY_IDENTIFIER, version, keys };
    office.execute::<PutKey>(station, &request).map(drop)
}

fn delete(station: &mut Station, what: Deletion) -> Outcome {
    open(station)?.execute::<Delete>(station, &DeleteRequest { related: 0, what }).map(drop)
}

fn install(station: &mut Station, purpose: u8) -> Outcome {
    let data = InstallData {
        load_file: aid(AppletKind::Purse.load_file()),
        application: aid(SECOND),
        ..InstallData::default()
    };
    open(station)?.execute::<Install>(station, &InstallRequest { purpose, reserved: 0, data }).map(drop)
}

fn set_status(station: &mut Station, subset: u8, state: u8) -> Outcome {
    let application = aid(AppletKind::Purse.aid());
    open(station)?.execute::<SetStatus>(station, &SetStatusRequest { subset, state, application })
}

fn set_card(station: &mut Station, state: CardState) -> Outcome {
    set_status(station, subset::DOMAIN, state as u8)
}

/// STORE DATA for the purse.
fn store<E: Element>(station: &mut Station, group: DataGroup, content: &E) -> Outcome {
    let mut office = open(station)?;
    office.address(station, AppletKind::Purse.aid())?;
    office.store(station, &block(false, group, content))
}

fn policy() -> PinPolicy {
    PinPolicy { tries: TRIES, load_limit: amount(100), pin: pin("1234") }
}

/// All keys of the purse in a version.
fn generation(version: u8) -> Generation {
    let mut keys = List::new();
    for (function, group) in [(Function::Load, 0), (Function::Purchase, GROUP), (Function::Certificate, 0)] {
        let reference = KeyReference { version, ..reference(Algorithm::AesCmac, group) };
        keys.push(KeyData { function, reference, key: key_of(iep(), function, reference) }).unwrap();
    }
    Generation { keys }
}

fn verify(station: &mut Station, digits: &str) -> Outcome {
    station.choose(AppletKind::Purse.aid());
    station.execute::<VerifyPin>(&PresentPin { pin: pin(digits) })
}

fn change(station: &mut Station, old: &str) -> Outcome {
    station.choose(AppletKind::Purse.aid());
    station.execute::<ChangePin>(&ChangePinRequest { old: pin(old), new: pin("567890") })
}

/// EXTERNAL AUTHENTICATE of somebody who has no keys.
fn intrude(station: &mut Station) -> Outcome {
    station.choose(Aid::SECURITY_DOMAIN);
    let update = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    match status_of(&station.exchange(&update)) {
        StatusWord::OK => {}
        blocked => return Err(blocked),
    }
    match status_of(&station.exchange(&forged_authentication())) {
        StatusWord::OK => panic!("let in"),
        status => Err(status),
    }
}

fn status(station: &mut Station, subset: u8) -> Result<Vec<u8>, StatusWord> {
    let search = Octets::new(&[0x4F, 0x00]).unwrap();
    let request = StatusRequest { subset, form: 2, search };
    open(station)?.execute::<GetStatus>(station, &request).map(|status| status.lines.as_slice().to_vec())
}

impl Subject for Domain {
    const KIND: AppletKind = AppletKind::Purse;
    type Notes = ();

    fn aftermath(station: &mut Station, (): &()) -> Vec<u8> {
        let mut told = Vec::new();
        station.choose(Aid::SECURITY_DOMAIN);
        station.note::<GetData>(&GetDataRequest { tag: tag::KEY_INFORMATION }, &mut told);
        for subset in [subset::DOMAIN, subset::APPLICATIONS] {
            match status(station, subset) {
                Ok(lines) => told.extend(lines),
                Err(status) => told.extend(status.to_bytes()),
            }
        }
        // The next transactions: more keys, and less; the holder and his purse.
        let more = put(station, 0, 0x32);
        let less = delete(station, Deletion::Keys { version: 0x32 });
        let known = [verify(station, "1234"), verify(station, "567890")];
        station.choose(AppletKind::Purse.aid());
        told.extend(format!("{more:?} {less:?} {known:?}").into_bytes());
        station.note::<GetBalance>(&(), &mut told);
        told
    }
}

macro_rules! command {
    ($name:literal, $writes:literal, $run:expr) => {
        Command { name: $name, writes: $writes, run: $run }
    };
}

/// Every command of card management, and of the PIN.
pub const COMMANDS: &[Command<Domain>] = &[
    command!("INITIALIZE UPDATE", false, |s, ()| {
        s.choose(Aid::SECURITY_DOMAIN);
        let request = apdu_spec::security_domain::InitializeUpdateRequest {
            key_version: 0,
            host_challenge: apdu_spec::crypto::secure_channel::Token::short([9; 8]),
        };
        s.execute::<InitializeUpdate>(&request).map(drop)
    }),
    command!("EXTERNAL AUTHENTICATE", true, |s, ()| open(s).map(drop)),
    command!("EXTERNAL AUTHENTICATE, wrong", true, |s, ()| intrude(s)),
    command!("PUT KEY, additional", true, |s, ()| put(s, 0, OTHER)),
    command!("PUT KEY, in the place of others", true, |s, ()| put(s, OWN, OTHER)),
    command!("PUT KEY, first ones", true, |s, ()| put(s, INITIAL_KEY_VERSION, OWN)),
    command!("DELETE of keys", true, |s, ()| delete(s, Deletion::Keys { version: OWN })),
    command!("DELETE of a purse", true, |s, ()| delete(s, Deletion::Application(aid(SECOND)))),
    command!("DELETE of a purse with value", false, |s, ()| {
        delete(s, Deletion::Application(aid(AppletKind::Purse.aid())))
    }),
    command!("INSTALL", true, |s, ()| install(s, purpose::INSTALL)),
    command!("INSTALL, for personalization", false, |s, ()| { open(s)?.address(s, AppletKind::Purse.aid()) }),
    command!("GET STATUS", false, |s, ()| status(s, subset::APPLICATIONS).map(drop)),
    command!("INSTALL, make selectable", true, |s, ()| install(s, purpose::SELECTABLE)),
    command!("SET STATUS, block", true, |s, ()| set_status(s, subset::APPLICATIONS, LOCKED)),
    command!("SET STATUS, unblock", true, |s, ()| set_status(s, subset::APPLICATIONS, 0)),
    command!("SET STATUS, secured", true, |s, ()| set_card(s, CardState::Secured)),
    command!("SET STATUS, in use again", true, |s, ()| set_card(s, CardState::OpReady)),
    command!("SET STATUS, card locked", true, |s, ()| set_card(s, CardState::Locked)),
    command!("SET STATUS, terminated", true, |s, ()| set_card(s, CardState::Terminated)),
    command!("STORE DATA, security domain", true, |s, ()| {
        let parameters = DomainParameters { attempts: 5, ..DomainParameters::initial() };
        open(s)?.store(s, &block(false, DataGroup::Domain, &parameters))
    }),
    command!("STORE DATA, generation", true, |s, ()| store(s, DataGroup::Generation, &generation(2))),
    command!("STORE DATA, key floor", true, |s, ()| {
        store(s, DataGroup::KeyFloor, &KeyFloor { version: VERSION + 1 })
    }),
    command!("STORE DATA, PIN", true, |s, ()| store(s, DataGroup::Pin, &policy())),
    command!("VERIFY", true, |s, ()| verify(s, "1234")),
    command!("VERIFY, wrong", true, |s, ()| verify(s, "4321")),
    command!("CHANGE REFERENCE DATA", true, |s, ()| change(s, "1234")),
    command!("CHANGE REFERENCE DATA, wrong", true, |s, ()| change(s, "4321")),
    command!("RESET RETRY COUNTER", true, |s, ()| {
        open_purse(s)?.execute::<ResetPin>(s, &PresentPin { pin: pin("1234") })
    }),
    command!("GET DATA", false, |s, ()| {
        s.choose(Aid::SECURITY_DOMAIN);
        s.execute::<GetData>(&GetDataRequest { tag: tag::CARD_DATA }).map(drop)
    }),
];

/// A card with a loaded purse and a PIN.
fn begin() -> Station {
    let chip = personalisation::whole(AppletKind::Purse);
    let mut station = Station::open(AppletKind::Purse, chip, false).unwrap();
    crate::purse::load(&mut station, 500).unwrap();
    let parameters = DomainParameters { attempts: TRIES, ..DomainParameters::initial() };
    open(&mut station).unwrap().store(&mut station, &block(false, DataGroup::Domain, &parameters)).unwrap();
    store(&mut station, DataGroup::Pin, &policy()).unwrap();
    station
}

/// A step from the first state to another.
type Step = fn(&mut Station) -> Outcome;

/// What a state is and how the first one becomes it. Keys, state of the card, state of the purse,
/// the place for a second one, attempts, PIN and generations do not depend on each other, and no
/// command looks at two of them but where that is listed: so each is varied by itself.
const STATES: &[(&str, &[Step])] = &[
    ("new", &[]),
    ("own keys, not confirmed", &[|s| put(s, INITIAL_KEY_VERSION, OWN)]),
    ("own keys", &[|s| put(s, INITIAL_KEY_VERSION, OWN), |s| open(s).map(drop)]),
    ("two key sets", &[|s| put(s, INITIAL_KEY_VERSION, OWN), |s| open(s).map(drop), |s| put(s, 0, OTHER)]),
    (
        "others in their place, not confirmed",
        &[|s| put(s, INITIAL_KEY_VERSION, OWN), |s| open(s).map(drop), |s| put(s, OWN, OTHER)],
    ),
    ("secured", &[|s| set_card(s, CardState::Initialized), |s| set_card(s, CardState::Secured)]),
    (
        "card locked",
        &[
            |s| set_card(s, CardState::Initialized),
            |s| set_card(s, CardState::Secured),
            |s| set_card(s, CardState::Locked),
        ],
    ),
    ("terminated", &[|s| set_card(s, CardState::Terminated)]),
    ("blocked", &[|s| set_status(s, subset::APPLICATIONS, LOCKED)]),
    ("second purse installed", &[|s| install(s, purpose::INSTALL)]),
    ("second purse selectable", &[|s| install(s, purpose::INSTALL_AND_SELECTABLE)]),
    (
        "second purse deleted",
        &[|s| install(s, purpose::INSTALL_AND_SELECTABLE), |s| delete(s, Deletion::Application(aid(SECOND)))],
    ),
    ("one attempt left", &[|s| intrude(s)]),
    ("blocked by attempts", &[|s| intrude(s), |s| intrude(s)]),
    ("one try left", &[|s| verify(s, "4321")]),
    ("PIN blocked", &[|s| verify(s, "4321"), |s| verify(s, "4321")]),
    ("two generations", &[|s| store(s, DataGroup::Generation, &generation(2))]),
    (
        "second generation",
        &[
            |s| store(s, DataGroup::Generation, &generation(2)),
            |s| store(s, DataGroup::KeyFloor, &KeyFloor { version: 2 }),
        ],
    ),
];

pub fn situations() -> Vec<Situation<Domain>> {
    let reach = |(class, steps): &(&str, &[Step])| {
        let mut station = begin();
        for step in *steps {
            // A wrong PIN and an intruder are refused, and that is the step.
            let _ = step(&mut station);
        }
        Situation { chip: station.power_off().chip, notes: (), class: (*class).into() }
    };
    STATES.iter().map(reach).collect()
}
