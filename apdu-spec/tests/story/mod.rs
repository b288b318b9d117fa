//! One purchase, with fixed keys and numbers: the values of the vectors.
//! `vectors/make_signatures.py` tells the same story.

#![allow(dead_code, unreachable_pub)] // each test uses a part of it
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;

use apdu_spec::batch::{Acknowledgement, Resolution, Sum, Trailer};
use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::{Holder, card_key};
use apdu_spec::crypto::mac::{MacKey, OneTimeKey};
use apdu_spec::crypto::session_key::{DerivationKey, MasterKey, SecretContext, SessionContext, StatementKey};
use apdu_spec::download::Release;
use apdu_spec::element::{
    AcquirerId, Algorithm, Amount, Balance, BatchNumber, Counter, Currency, Date, IepId, KeyReference, Kind,
    Mac, ProviderId, PurseNumber, Random, SamCounter, SamId, SamNumber, Service, Time, Total,
};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::{
    BatchRecord, Counterpart, Identity, LogEntry, Order, Outcome, Position, Statement, Terms, ValueRecord,
};
use apdu_spec::signature::{ChainLink, Commitment, Heading, Name, S1, S2, S3, S5, S6};
use apdu_spec::wire::{Element, List};

pub const VERSION: u8 = 1;
pub const GROUP: u8 = 1;

pub fn counter(value: u32) -> Counter {
    Counter::new(value).unwrap()
}

pub fn amount(minor: u32) -> Amount {
    Amount::new(minor).unwrap()
}

pub fn iep() -> IepId {
    IepId { provider: ProviderId::new(280_001).unwrap(), number: PurseNumber::new(4_711).unwrap() }
}

fn sam_of(number: u32) -> SamId {
    SamId { acquirer: AcquirerId::new(280_101).unwrap(), number: SamNumber::new(number).unwrap() }
}

pub fn sam() -> SamId {
    sam_of(7)
}

pub fn transfer_card() -> SamId {
    sam_of(900)
}

pub fn identity() -> Identity {
    Identity { iep: iep(), expiry: Date(20_819), currency: Currency::EUR, maximum: Balance(15_000) }
}

pub const TIME: Time = Time(1_700_000_000);
pub const CHALLENGE: Random = Random([0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7]);
pub const FRESH: Random = Random([0xE0, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7]);

pub fn counterpart(challenge: Random) -> Counterpart {
    Counterpart { sam: sam(), challenge }
}

fn position(balance: i32, nv: u32, random: Random, receipts: u8) -> Position {
    Position {
        balance: Balance(balance),
        nt: counter(7),
        nv: counter(nv),
        nv_load: counter(1),
        nv_cancellation: counter(0),
        offline_total: amount(0),
        offline_base: amount(0),
        random,
        receipts,
        service: Service::Open,
    }
}

pub fn statement() -> Statement {
    let random = Random([0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7]);
    Statement { identity: identity(), position: position(5_000, 3, random, 2) }
}

pub fn batch() -> BatchNumber {
    BatchNumber::new(3).unwrap()
}

/// Master keys: sixteen bytes that count from `first`.
fn master(first: u8) -> Key {
    Key::new(std::array::from_fn(|index| first + u8::try_from(index).unwrap()))
}

/// The whole purchase, and what comes of it.
#[derive(Debug)]
pub struct Story {
    pub key: KeyReference,
    pub k1: StatementKey,
    pub ks: MacKey,
    pub k6: OneTimeKey,
    pub kr: MacKey,
    pub kp: OneTimeKey,
    pub secret: Key,
    pub order: Order,
    pub s1: Mac,
    pub s2: Mac,
    pub s3: Mac,
    pub s6: Mac,
    pub record: BatchRecord,
    pub trailer: Trailer,
    pub acknowledgement: Acknowledgement,
    pub previous: PreviousSignature,
    pub release: Release,
    /// Card keys by their name in signatures.txt.
    pub card_keys: BTreeMap<&'static str, Key>,
}

impl Story {
    pub fn tell(algorithm: Algorithm) -> Self {
        let key = KeyReference { algorithm, group: GROUP, version: VERSION };
        let own = KeyReference { group: 0, ..key };
        let holder: Holder = iep().into();
        let card_keys = BTreeMap::from([
            ("KDP", card_key(&master(0x00), holder, Function::Purchase, key)),
            ("KDC", card_key(&master(0x10), holder, Function::Certificate, own)),
            ("KDR", card_key(&master(0x20), sam().into(), Function::Record, own)),
            ("KDX", card_key(&master(0x30), sam().into(), Function::Cancellation, own)),
            ("KDT", card_key(&master(0x20), transfer_card().into(), Function::Record, own)),
        ]);
        let derivation = |name| DerivationKey::new(card_keys.get(name).unwrap().clone(), algorithm);

        let (statement, counterpart) = (statement(), counterpart(CHALLENGE));
        let Position { nt, random, .. } = statement.position;
        let context = SessionContext { kind: Kind::Purchase, nt, random, counterpart };
        let nt_psam = SamCounter(42);
        let k1 = derivation("KDP").statement_key(&context);
        let ks = k1.order_key(nt_psam);
        let k6 = derivation("KDC").certificate_key(&context);
        let kr = derivation("KDR").record_key(batch());
        let cancellation = MasterKey::new(&card_keys["KDX"], algorithm);
        let secret = cancellation.cancellation_secret(&SecretContext { iep: iep(), nt_iep: nt, nt_psam });

        let heading = |name| Heading::new(name, Kind::Purchase, key);
        let commitment = OneTimeKey::new(secret.clone(), algorithm).sign(&Commitment {
            heading: heading(Name::Commitment),
            statement,
            sam: sam(),
            nt: nt_psam,
            amount: amount(1_250),
        });
        let terms = Terms::commitment(commitment);
        let order = Order { amount: amount(1_250), time: TIME, nt: nt_psam, taken_over: counter(1), terms };
        let s1 = S1 { heading: heading(Name::S1), statement, counterpart, amount: amount(0) };
        let s1 = k1.mac_key().sign(&s1);
        let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1, sam: sam(), order });
        let (balance, nv) = (Balance(3_750), counter(4));
        let s6 = S6 { heading: heading(Name::S6), statement, counterpart, order, s2, balance, nv };
        let s6 = k6.sign(&s6);
        let s3 = ks.sign(&S3 { heading: heading(Name::S3), s2, s6 });

        let entry =
            LogEntry { kind: Kind::Purchase, key, position: statement.position, counterpart, order, s3, s6 };
        let value = ValueRecord { identity: identity(), entry };
        let mut record = BatchRecord {
            sam: sam(),
            batch: batch(),
            index: 5,
            outcome: Outcome::Credited,
            list: 7,
            value,
            s5: Mac::default(),
        };
        record.s5 = kr.sign(&S5 { heading: Heading::new(Name::S5, Kind::Purchase, own), record });
        let trailer = Self::close(&kr, own, &record);
        let mut resolved = List::new();
        resolved.push(Resolution { nt: SamCounter(40), paid: 1 }).unwrap();
        let mut acknowledgement = Acknowledgement {
            sam: sam(),
            batch: batch(),
            s4: trailer.s4,
            time: Time(TIME.0 + 3_600),
            list_min: 7,
            resolved,
            mac: Mac::default(),
        };
        acknowledgement.mac = kr.sign(&acknowledgement.input(own));

        let asker = Counterpart { sam: sam(), challenge: FRESH };
        let random = Random::default();
        let recovery = SessionContext { kind: Kind::Recovery, nt, random, counterpart: asker };
        let kp = derivation("KDP").previous_key(&recovery);
        let mut receipt = [0; LogEntry::WIDTH];
        entry.to_slice(&mut receipt).unwrap();
        let mut previous = PreviousSignature {
            key,
            statement: Statement { identity: identity(), position: position(3_750, 4, random, 3) },
            by: apdu_spec::element::Search::Nt,
            asked: nt,
            found: 1,
            receipt,
            mac: Mac::default(),
        };
        previous.mac = kp.sign(&previous.input(asker));

        let mut release = Release { parcels: 5, downloads: 2, mac: Mac::default() };
        let kt = derivation("KDT").record_key(BatchNumber::default());
        release.mac = kt.sign(&release.input(transfer_card(), own));
        Self {
            key,
            k1,
            ks,
            k6,
            kr,
            kp,
            secret,
            order,
            s1,
            s2,
            s3,
            s6,
            record,
            trailer,
            acknowledgement,
            previous,
            release,
            card_keys,
        }
    }

    /// The trailer of a batch that holds one record.
    fn close(kr: &MacKey, reference: KeyReference, record: &BatchRecord) -> Trailer {
        let heading = Heading::new(Name::Chain, Kind::Purchase, reference);
        let link = ChainLink { heading, batch: batch(), previous: Mac::default(), s5: record.s5 };
        let mut sums = List::new();
        let (provider, currency) = (iep().provider, Currency::EUR);
        let total = |minor| Total::new(minor).unwrap();
        let (credited, voided, claimed) = (total(100_000), total(2_500), total(400));
        sums.push(Sum { provider, currency, count: 80, credited, voided, claimed }).unwrap();
        record.add_to(&mut sums).unwrap();
        let mut trailer = Trailer {
            sam: sam(),
            batch: batch(),
            previous: Mac([0x11; 8]),
            count: 1,
            unresolved: 0,
            nt: SamCounter(42),
            time: TIME,
            list: 7,
            oldest: BatchNumber::new(2).unwrap(),
            chain: kr.sign(&link),
            s4: Mac::default(),
            sums,
        };
        trailer.s4 = kr.sign(&trailer.input(reference));
        trailer
    }
}
