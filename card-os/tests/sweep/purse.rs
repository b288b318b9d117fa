//! The purse, against terminals and an issuer that know all keys.

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{Algorithm, Counter, Kind, Random, SamCounter};
use apdu_spec::purse::{
    Cancel, CreditCancellation, CreditLoad, DebitIep, DebitUnload, Execute, GetBalance, GetPurseData,
    InitializeIep, InitializeLoad, InitializePurchase, InitializeTransfer, InitializeUnload, Initialized,
    PreviousByNt, PreviousByNv, PreviousRequest, PurseInformation, ReadLog, ReadRecord,
};
use apdu_spec::record::{Counterpart, Order, Terms};
use apdu_spec::signature::{Commitment, Heading, Name};
use card_os::applets::AppletKind;
use card_os::kernel::memory::{Change, Memory, entry::RECORD};

use crate::deed::{Command, Situation, Subject};
use crate::explore::{Action, explore};
use crate::personalisation;
use crate::station::{Chip, Recorder, Station};
use crate::support::world::NOW;
use crate::support::{GROUP, MAXIMUM, VERSION, amount, issuer, load_terminal, sam_id};

#[derive(Clone)]
pub struct Purse;

const COUNTERPART: Counterpart = Counterpart { sam: sam(), challenge: Random([0x43; 8]) };
/// The secret that cancels every purchase here.
const SECRET: Key = Key::new([0x5E; 16]);

const fn sam() -> apdu_spec::element::SamId {
    apdu_spec::element::SamId {
        acquirer: apdu_spec::element::AcquirerId::new(280_101).unwrap(),
        number: apdu_spec::element::SamNumber::new(7).unwrap(),
    }
}

fn information(station: &mut Station) -> PurseInformation {
    station.execute::<GetPurseData>(&()).unwrap()
}

const fn request() -> InitializePurchase {
    InitializePurchase { group: GROUP, version: VERSION, counterpart: COUNTERPART }
}

/// The order for a purchase; `free` says whether all receipts have been taken over.
fn order(initialized: &Initialized, minor: u32, free: bool) -> Execute {
    let (heading, nt) = (Heading::new(Name::Commitment, Kind::Purchase, initialized.key), SamCounter(5));
    let (statement, amount) = (initialized.statement, amount(minor));
    let commitment = MacKey::new(&SECRET, Algorithm::AesCmac).sign(&Commitment {
        heading,
        statement,
        sam: sam_id(),
        nt,
        amount,
    });
    let held = if free { 0 } else { u32::from(statement.position.receipts) };
    let taken_over = Counter::new(statement.position.nv.get() - held).unwrap();
    let terms = Terms::commitment(commitment);
    issuer::forge_order(initialized, COUNTERPART, Order { amount, time: NOW, nt, taken_over, terms })
}

fn pay(station: &mut Station, minor: u32, free: bool) -> Result<(), StatusWord> {
    let initialized = station.execute::<InitializeIep>(&request())?;
    station.execute::<DebitIep>(&order(&initialized, minor, free)).map(drop)
}

/// A load or unload.
fn transfer(station: &mut Station, kind: Kind, minor: u32, approve: bool) -> Result<(), StatusWord> {
    let counterpart = Counterpart { sam: load_terminal(), challenge: Random([0x4C; 8]) };
    let request = InitializeTransfer { version: VERSION, counterpart, amount: amount(minor) };
    let authorise = |initialized| issuer::authorise(kind, &initialized, counterpart, amount(minor), approve);
    if kind == Kind::Load {
        let initialized = station.execute::<InitializeLoad>(&request)?;
        station.execute::<CreditLoad>(&authorise(initialized)).map(drop)
    } else {
        let initialized = station.execute::<InitializeUnload>(&request)?;
        station.execute::<DebitUnload>(&authorise(initialized)).map(drop)
    }
}

/// A load that the issuer has approved of.
pub fn load(station: &mut Station, minor: u32) -> Result<(), StatusWord> {
    transfer(station, Kind::Load, minor, true)
}

fn cancel(station: &mut Station) -> Result<(), StatusWord> {
    station.execute::<CreditCancellation>(&Cancel { secret: SECRET }).map(drop)
}

const fn previous(number: Counter) -> PreviousRequest {
    PreviousRequest { group: GROUP, version: VERSION, counterpart: COUNTERPART, number }
}

impl Subject for Purse {
    const KIND: AppletKind = AppletKind::Purse;
    type Notes = ();

    fn aftermath(station: &mut Station, (): &()) -> Vec<u8> {
        let mut told = Vec::with_capacity(640);
        let Some(information) = station.note::<GetPurseData>(&(), &mut told) else {
            return told; // still being personalised
        };
        station.note::<GetBalance>(&(), &mut told);
        station.note::<ReadRecord>(&ReadLog { record: 1 }, &mut told);
        let receipt = station.note::<PreviousByNt>(&previous(information.nt), &mut told);
        let moved = receipt.is_some_and(|previous| previous.found == 1);
        told.push(u8::from(moved));
        if let Some(initialized) = station.note::<InitializeIep>(&request(), &mut told) {
            let order = order(&initialized, 1, true);
            station.note::<DebitIep>(&order, &mut told);
            let after = station.note::<GetBalance>(&(), &mut told).unwrap().balance.0;
            let before = initialized.statement.position;
            let last = before.nv == Counter::MAX || before.balance.0 == -500;
            assert_eq!(after, before.balance.0 - i32::from(!last), "the next purchase");
        } else {
            let status = crate::support::status_of(&told);
            assert_eq!(information.nt, Counter::MAX, "the next session: {status:?}");
        }
        told
    }
}

macro_rules! command {
    ($name:literal, $writes:literal, $run:expr) => {
        Command { name: $name, writes: $writes, run: $run }
    };
}

/// Every command, right and refused.
pub const COMMANDS: &[Command<Purse>] = &[
    command!("INITIALIZE IEP", true, |s, ()| s.execute::<InitializeIep>(&request()).map(drop)),
    command!("DEBIT IEP", true, |s, ()| pay(s, 1, false)),
    command!("DEBIT IEP, receipts taken over", true, |s, ()| pay(s, 1, true)),
    command!("DEBIT IEP, too much", false, |s, ()| pay(s, 100_000, false)),
    command!("DEBIT IEP, wrong S2", true, |s, ()| {
        let initialized = s.execute::<InitializeIep>(&request())?;
        let mut order = order(&initialized, 1, false);
        order.order.amount = amount(2);
        s.execute::<DebitIep>(&order).map(drop)
    }),
    command!("DEBIT IEP, no session", false, |s, ()| {
        let initialized = s.execute::<InitializeIep>(&request())?;
        let order = order(&initialized, 1, false);
        let _ = s.execute::<GetPurseData>(&());
        s.execute::<PreviousByNt>(&previous(initialized.statement.position.nt))?;
        s.execute::<DebitIep>(&order).map(drop)
    }),
    command!("INITIALIZE IEP for Load", true, |s, ()| {
        let counterpart = COUNTERPART;
        let request = InitializeTransfer { version: VERSION, counterpart, amount: amount(5) };
        s.execute::<InitializeLoad>(&request).map(drop)
    }),
    command!("INITIALIZE IEP for Unload", true, |s, ()| {
        let counterpart = COUNTERPART;
        let request = InitializeTransfer { version: VERSION, counterpart, amount: amount(5) };
        s.execute::<InitializeUnload>(&request).map(drop)
    }),
    command!("CREDIT IEP for Load", true, |s, ()| transfer(s, Kind::Load, 3, true)),
    command!("CREDIT IEP for Load, refused", false, |s, ()| transfer(s, Kind::Load, 3, false)),
    command!("DEBIT IEP for Unload", true, |s, ()| transfer(s, Kind::Unload, 1, true)),
    command!("DEBIT IEP for Unload, refused", false, |s, ()| transfer(s, Kind::Unload, 1, false)),
    command!("CREDIT IEP for Cancellation", true, |s, ()| cancel(s)),
    command!("GET PREVIOUS by NT", false, |s, ()| {
        let nt = information(s).nt;
        s.execute::<PreviousByNt>(&previous(nt)).map(drop)
    }),
    command!("GET PREVIOUS by NV", false, |s, ()| {
        let nv = information(s).nv;
        s.execute::<PreviousByNv>(&previous(nv)).map(drop)
    }),
    command!("GET BALANCE", false, |s, ()| s.execute::<GetBalance>(&()).map(drop)),
    command!("READ RECORD", false, |s, ()| s.execute::<ReadRecord>(&ReadLog { record: 1 }).map(drop)),
    command!("GET DATA", false, |s, ()| s.execute::<GetPurseData>(&()).map(drop)),
];

/// Exact key for the search, and class: balance, receipts held, value commits in the log,
/// kind of the last one, sessions since.
fn key(station: &mut Station, (): &()) -> (String, String) {
    let information = information(station);
    let balance = station.execute::<GetBalance>(&()).unwrap().balance.0;
    let balance = match balance {
        ..=-500 => "floor",
        -499..0 => "overdrawn",
        0 => "empty",
        1..MAXIMUM => "some",
        _ => "full",
    };
    let receipts = information.receipts;
    let coarse = match receipts {
        0..=1 | 15.. => receipts,
        _ => 2,
    };
    let (nv, log) = (information.nv.get().min(17), information.nv.get().clamp(0, 17));
    let log = if (2..16).contains(&log) { 2 } else { log };
    let last = station.execute::<ReadRecord>(&ReadLog { record: 1 }).ok();
    let fresh = last.is_some_and(|line| line.nt == information.nt);
    let last = last.map(|line| line.kind);
    (
        format!("{balance} {receipts} {nv} {last:?} {fresh}"),
        format!("balance {balance}, receipts {coarse}, log {log}, last {last:?}, at rest {fresh}"),
    )
}

const ACTIONS: &[Action<Purse>] = &[
    |s, ()| s.execute::<InitializeIep>(&request()).map(drop),
    |s, ()| pay(s, 10, false),
    |s, ()| pay(s, 10, true),
    |s, ()| pay(s, 500, true),
    |s, ()| cancel(s),
    |s, ()| transfer(s, Kind::Load, 500, true),
    |s, ()| transfer(s, Kind::Unload, 10, true),
    |s, ()| {
        let balance = s.execute::<GetBalance>(&()).unwrap().balance.0;
        let room = u32::try_from(MAXIMUM - balance).unwrap();
        transfer(s, Kind::Load, room, true)
    },
];

/// All classes of state, then those with a counter at its end.
pub fn situations() -> Vec<Situation<Purse>> {
    let new = Situation { chip: personalisation::whole(AppletKind::Purse), notes: (), class: "new".into() };
    let mut found = explore(vec![new], ACTIONS, key);
    let used = found.iter().rev().find(|found| found.class.contains("balance some")).unwrap().clone();
    for (class, nt, nv) in [
        ("NT at maximum - 1", 0xFF_FFFE, None),
        ("NT at maximum", 0xFF_FFFF, None),
        ("NV at maximum - 1", 0xFF_0000, Some(0xFF_FFFE)),
        ("NV at maximum", 0xFF_0000, Some(0xFF_FFFF)),
    ] {
        let chip = at_the_end(used.chip.clone(), nt, nv);
        found.push(Situation { chip, notes: (), class: class.into() });
    }
    found
}

/// Sets NT, and repeats the newest log entry under another NV.
fn at_the_end(chip: Box<Chip>, nt: u32, nv: Option<u32>) -> Box<Chip> {
    let mut memory = Memory::open(Recorder::new(chip, false)).unwrap();
    let mut change = Change::default();
    change.set(33, &nt.to_be_bytes()[1..]);
    if let Some(nv) = nv {
        let mut entry = [0; 256];
        let length = memory.record(RECORD, memory.next(RECORD) - 1, &mut entry).unwrap();
        // Receipts taken over stand before terms, S3 and S6.
        entry[length - 27..length - 24].copy_from_slice(&(nv - 1).to_be_bytes()[1..]);
        change.append(RECORD, nv, &entry[..length]);
    }
    memory.keep_from(RECORD, memory.next(RECORD) - 1);
    let _ = memory.commit(change).unwrap();
    memory.into_platform().chip
}
