//! The PSAM, against purses that are played from the master key.

use apdu_spec::batch::Trailer;
use apdu_spec::crypto::session_key::StatementKey;
use apdu_spec::element::{
    Algorithm, Amount, Balance, Counter, Currency, Date, KeyReference, Kind, Mac, Random, SamCounter, Search,
    Service,
};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{Executed, PreviousSignature};
use apdu_spec::record::{Counterpart, Identity, LogEntry, Order, Position, Statement, Terms};
use apdu_spec::sam::{
    CancelPurchase, CloseBatch, CollectRequest, CompleteRequest, CreditPsam, CreditRequest, GetChallenge,
    GetSamData, InitializePsam, OpenPurchase, Opened, PsamAcknowledge, PsamCancel, PsamCollect, PsamComplete,
    PsamRenounce, ReadTrailer, ReceiptRequest, RenounceRequest, StoreReceipt, TrailerRequest, VerifyContact,
    VerifyPurse,
};
use apdu_spec::signature::{Heading, Name, S1, S2, S3};
use apdu_spec::{Element as _, StatusWord};
use card_os::applets::AppletKind;

use crate::deed::{Command, Situation, Subject};
use crate::explore::{Action, explore};
use crate::personalisation;
use crate::station::Station;
use crate::support::world::NOW;
use crate::support::{self, GROUP, amount, iep, issuer, load_terminal, sam_id};

#[derive(Clone)]
pub struct Sam;

/// A purchase as its purse knows it.
#[derive(Clone, Copy)]
pub struct Purchase {
    statement: Statement,
    counterpart: Counterpart,
    s1: Mac,
    opened: Opened,
}

/// What the terminal has kept of this PSAM's life.
#[derive(Clone, Default)]
pub struct Notes {
    open: Vec<Purchase>,
    credited: Vec<Purchase>,
    closed: Vec<Trailer>,
}

const KEY: KeyReference = support::reference(Algorithm::AesCmac, GROUP);

/// Where the played purse stands: always the same, but for its NT, and NV with it.
fn statement(nt: u32) -> Statement {
    let number = |n| Counter::new(n).unwrap();
    let (expiry, currency) = (Date(30_000), Currency::EUR);
    let identity = Identity { iep: iep(), expiry, currency, maximum: Balance(15_000) };
    let position = Position {
        balance: Balance(5_000),
        nt: number(nt),
        nv: number(nt + 3),
        nv_load: number(1),
        nv_cancellation: number(0),
        offline_total: Amount::default(),
        offline_base: Amount::default(),
        random: Random([0x52; 8]),
        receipts: 2,
        service: Service::Open,
    };
    Statement { identity, position }
}

fn counterpart(station: &mut Station) -> Counterpart {
    let challenge = station.execute::<GetChallenge>(&()).unwrap().challenge;
    Counterpart { sam: sam_id(), challenge }
}

fn k1(statement: &Statement, counterpart: Counterpart) -> StatementKey {
    let (key, context) = issuer::session(Function::Purchase, KEY, Kind::Purchase, statement, counterpart);
    key.statement_key(&context)
}

fn request(statement: Statement, counterpart: Counterpart) -> OpenPurchase {
    let heading = Heading::new(Name::S1, Kind::Purchase, KEY);
    let input = S1 { heading, statement, counterpart, amount: Amount::default() };
    let s1 = k1(&statement, counterpart).mac_key().sign(&input);
    OpenPurchase { key: KEY, statement, s1, amount: amount(100), time: NOW }
}

fn open(station: &mut Station) -> Result<Purchase, StatusWord> {
    let nt = station.execute::<GetSamData>(&()).unwrap().nt.get() + 1;
    open_with(station, statement(nt))
}

/// The purse of this purchase is there again, and has not paid: the number serves again.
fn reopen(station: &mut Station, before: &Purchase) -> Result<Purchase, StatusWord> {
    let mut statement = before.statement;
    statement.position.nt = statement.position.nt.next().unwrap();
    open_with(station, statement)
}

fn open_with(station: &mut Station, statement: Statement) -> Result<Purchase, StatusWord> {
    let counterpart = counterpart(station);
    let request = request(statement, counterpart);
    let opened = station.execute::<InitializePsam>(&request)?;
    Ok(Purchase { statement, counterpart, s1: request.s1, opened })
}

impl Purchase {
    /// The purse's answer to DEBIT IEP.
    fn executed(&self) -> Executed {
        let (order, sam) = (self.opened.order, sam_id());
        let ks = k1(&self.statement, self.counterpart).order_key(order.nt);
        let heading = |name| Heading::new(name, Kind::Purchase, KEY);
        let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1: self.s1, sam, order });
        assert_eq!(s2, self.opened.s2, "S2");
        let s6 = Mac([0x56; 8]);
        Executed { s3: ks.sign(&S3 { heading: heading(Name::S3), s2, s6 }), s6 }
    }

    fn credit(&self, station: &mut Station) -> Result<(), StatusWord> {
        let Executed { s3, s6 } = self.executed();
        station.execute::<CreditPsam>(&CreditRequest { nt: self.opened.order.nt, s3, s6 }).map(drop)
    }

    fn entry(&self) -> LogEntry {
        let Executed { s3, s6 } = self.executed();
        let (position, order) = (self.statement.position, self.opened.order);
        LogEntry { kind: Kind::Purchase, key: KEY, position, counterpart: self.counterpart, order, s3, s6 }
    }
}

/// The purse's answer to GET PREVIOUS, later in its life.
fn previous(
    station: &mut Station,
    (by, asked): (Search, Counter),
    nv: Counter,
    entry: Option<LogEntry>,
) -> PreviousSignature {
    let counterpart = counterpart(station);
    let mut statement = statement(4_000);
    (statement.position.nv, statement.position.random) = (nv, Random::default());
    let mut receipt = [0; LogEntry::WIDTH];
    if let Some(entry) = &entry {
        entry.to_slice(&mut receipt).unwrap();
    }
    let (found, mac) = (u8::from(entry.is_some()), Mac::default());
    let mut previous = PreviousSignature { key: KEY, statement, by, asked, found, receipt, mac };
    let (key, context) = issuer::session(Function::Purchase, KEY, Kind::Recovery, &statement, counterpart);
    previous.mac = key.previous_key(&context).sign(&previous.input(counterpart));
    previous
}

fn complete(station: &mut Station, purchase: &Purchase) -> Result<(), StatusWord> {
    let nt = purchase.opened.order.nt;
    let Position { nt: asked, nv, .. } = purchase.statement.position;
    let previous = previous(station, (Search::Nt, asked), nv, None);
    station.execute::<PsamComplete>(&CompleteRequest { nt, previous })
}

fn take_over(station: &mut Station, entry: LogEntry) -> Result<(), StatusWord> {
    let nv = entry.nv().unwrap();
    let previous = previous(station, (Search::Nv, nv), nv.max(Counter::new(4).unwrap()), Some(entry));
    station.execute::<StoreReceipt>(&ReceiptRequest { previous })
}

/// The purse of this purchase, which was its last, wants it back.
fn cancel(station: &mut Station, purchase: &Purchase) -> Result<(), StatusWord> {
    let (nt, entry) = (purchase.opened.order.nt, purchase.entry());
    let nv = entry.nv().unwrap();
    let previous = previous(station, (Search::Nv, nv), nv, Some(entry));
    station.execute::<PsamCancel>(&CancelPurchase { nt, previous }).map(drop)
}

/// A load, the oldest receipt that the played purse holds.
fn foreign() -> LogEntry {
    let number = |n| Counter::new(n).unwrap();
    let position = Position { nv: number(2), ..statement(3).position };
    let counterpart = Counterpart { sam: load_terminal(), challenge: Random([9; 8]) };
    let (nt, taken_over, terms) = (SamCounter(77), number(2), Terms::default());
    let order = Order { amount: amount(700), time: NOW, nt, taken_over, terms };
    let mac = Mac([0x31; 8]);
    LogEntry { kind: Kind::Load, key: KEY, position, counterpart, order, s3: mac, s6: mac }
}

const NOTHING: StatusWord = StatusWord::RECORD_NOT_FOUND;

fn acknowledge(station: &mut Station, trailer: Option<&Trailer>) -> Result<(), StatusWord> {
    let trailer = trailer.ok_or(NOTHING)?;
    let reference = support::reference(Algorithm::AesCmac, 0);
    station.execute::<PsamAcknowledge>(&issuer::acknowledge(trailer.batch, trailer.s4, reference))
}

impl Subject for Sam {
    const KIND: AppletKind = AppletKind::Sam;
    type Notes = Notes;

    fn aftermath(station: &mut Station, notes: &Notes) -> Vec<u8> {
        let mut told = Vec::with_capacity(640);
        let Some(before) = station.note::<GetSamData>(&(), &mut told) else { return told };
        if let Some(index) = before.entries.checked_sub(1) {
            station.note::<PsamCollect>(&CollectRequest { batch: before.batch, index }, &mut told);
        }
        station.note::<ReadTrailer>(&TrailerRequest { batch: before.oldest }, &mut told);
        // The oldest purchase that the terminal remembers is credited, where it is still open.
        if let Some(purchase) = notes.open.first() {
            told.push(u8::from(purchase.credit(station).is_ok()));
        }
        match open(station) {
            Ok(purchase) => purchase.credit(station).unwrap(),
            Err(status) => assert_eq!(status, StatusWord::NOT_ENOUGH_MEMORY, "the next purchase"),
        }
        station.note::<GetSamData>(&(), &mut told);
        told
    }
}

macro_rules! command {
    ($name:literal, $writes:literal, $run:expr) => {
        Command { name: $name, writes: $writes, run: $run }
    };
}

/// Every command, right and refused.
pub const COMMANDS: &[Command<Sam>] = &[
    command!("GET CHALLENGE", false, |s, _| s.execute::<GetChallenge>(&()).map(drop)),
    command!("INITIALIZE PSAM", true, |s, _| open(s).map(drop)),
    command!("INITIALIZE PSAM, wrong S1", true, |s, _| {
        let mut request = request(statement(1), counterpart(s));
        request.s1.0[0] ^= 1;
        s.execute::<InitializePsam>(&request).map(drop)
    }),
    command!("INITIALIZE PSAM, contact", false, |s, _| {
        let OpenPurchase { key, statement, s1, time, .. } = request(statement(1), counterpart(s));
        s.execute::<VerifyPurse>(&VerifyContact { key, statement, s1, time })
    }),
    command!("CREDIT PSAM, oldest", true, |s, notes| notes.open.first().ok_or(NOTHING)?.credit(s)),
    command!("CREDIT PSAM, newest", true, |s, notes| notes.open.last().ok_or(NOTHING)?.credit(s)),
    command!("CREDIT PSAM, just opened", true, |s, _| open(s)?.credit(s)),
    command!("CREDIT PSAM, wrong S3", true, |s, notes| {
        let nt = notes.open.first().ok_or(NOTHING)?.opened.order.nt;
        s.execute::<CreditPsam>(&CreditRequest { nt, s3: Mac([1; 8]), s6: Mac([2; 8]) }).map(drop)
    }),
    command!("PSAM COMPLETE", true, |s, notes| complete(s, notes.open.first().ok_or(NOTHING)?)),
    command!("PSAM STORE RECEIPT, own", true, |s, notes| {
        take_over(s, notes.open.first().ok_or(NOTHING)?.entry())
    }),
    command!("PSAM STORE RECEIPT, another's", true, |s, _| take_over(s, foreign())),
    command!("PSAM CANCEL PURCHASE", true, |s, notes| { cancel(s, notes.credited.last().ok_or(NOTHING)?) }),
    command!("INITIALIZE PSAM for Purchase, reopened", true, |s, notes| {
        reopen(s, notes.open.first().ok_or(NOTHING)?).map(drop)
    }),
    command!("PSAM RENOUNCE, open", true, |s, notes| {
        let nt = notes.open.first().ok_or(NOTHING)?.opened.order.nt;
        s.execute::<PsamRenounce>(&RenounceRequest { nt })
    }),
    command!("PSAM RENOUNCE, credited", true, |s, notes| {
        let nt = notes.credited.last().ok_or(NOTHING)?.opened.order.nt;
        s.execute::<PsamRenounce>(&RenounceRequest { nt })
    }),
    command!("INITIALIZE PSAM for Collection", true, |s, _| s.execute::<CloseBatch>(&()).map(drop)),
    command!("INITIALIZE PSAM for Collection, again", false, |s, notes| {
        let batch = notes.closed.first().ok_or(NOTHING)?.batch;
        s.execute::<ReadTrailer>(&TrailerRequest { batch }).map(drop)
    }),
    command!("PSAM COLLECT", false, |s, _| {
        let batch = s.execute::<GetSamData>(&()).unwrap().batch;
        s.execute::<PsamCollect>(&CollectRequest { batch, index: 0 }).map(drop)
    }),
    command!("PSAM COLLECT (acknowledge)", true, |s, notes| acknowledge(s, notes.closed.first())),
    command!("acknowledge, out of order", false, |s, notes| acknowledge(s, notes.closed.get(1))),
    command!("GET DATA", false, |s, _| s.execute::<GetSamData>(&()).map(drop)),
];

/// Exact key for the search, and class: open purchases, entries, closed batches, last entry.
fn key(station: &mut Station, _: &Notes) -> (String, String) {
    let now = station.execute::<GetSamData>(&()).unwrap();
    let last = now.entries.checked_sub(1).map(|index| {
        station.execute::<PsamCollect>(&CollectRequest { batch: now.batch, index }).unwrap().outcome
    });
    let closed = now.batch.get() - now.oldest.get();
    let entries = now.entries.min(2);
    let open = if (2..8).contains(&now.open) { 2 } else { now.open };
    let waiting = if (1..4).contains(&closed) { 1 } else { closed };
    (
        format!("{} {entries} {closed} {last:?}", now.open),
        format!("open {open}, entries {entries}, closed {waiting}, last {last:?}"),
    )
}

const ACTIONS: &[Action<Sam>] = &[
    |s, notes| {
        notes.open.push(open(s)?);
        // Where the table is full, the oldest has become a claim.
        notes.open.drain(..notes.open.len().saturating_sub(8));
        Ok(())
    },
    |s, notes| {
        let purchase = open(s)?;
        notes.credited.push(purchase);
        purchase.credit(s)
    },
    |s, notes| {
        let purchase = *notes.open.first().ok_or(NOTHING)?;
        purchase.credit(s)?;
        notes.credited.push(notes.open.remove(0));
        Ok(())
    },
    |s, notes| {
        complete(s, notes.open.first().ok_or(NOTHING)?)?;
        notes.open.remove(0);
        Ok(())
    },
    |s, notes| cancel(s, &notes.credited.pop().ok_or(NOTHING)?),
    |s, _| take_over(s, foreign()),
    |s, notes| {
        notes.open[0] = reopen(s, notes.open.first().ok_or(NOTHING)?)?;
        Ok(())
    },
    |s, notes| {
        notes.closed.push(s.execute::<CloseBatch>(&())?);
        notes.open.clear();
        notes.credited.clear();
        Ok(())
    },
    |s, notes| {
        acknowledge(s, notes.closed.first())?;
        notes.closed.remove(0);
        Ok(())
    },
];

/// All classes of state.
pub fn situations() -> Vec<Situation<Sam>> {
    let chip = personalisation::whole(AppletKind::Sam);
    explore(vec![Situation { chip, notes: Notes::default(), class: "new".into() }], ACTIONS, key)
}
