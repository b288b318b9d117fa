//! Somebody has opened a PSAM and writes records with its keys: S5 and S4 are good, S3 too,
//! because the purchase key of a whole group is in it. S6 is not, and nobody may be paid.

use apdu_spec::Element;
use apdu_spec::batch::{Sums, Trailer};
use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::card_key;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{
    Amount, Balance, BatchNumber, Counter, Currency, IepId, KeyReference, Kind, Mac, SamCounter, SamId,
    Service,
};
use apdu_spec::personalisation::{Function, KeyData};
use apdu_spec::record::{
    BatchRecord, Counterpart, Identity, LogEntry, Order, Outcome, Position, Statement, Terms, ValueRecord,
};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::signature::{ChainLink, Heading, Name, S1, S2, S3, S5};
use apdu_spec::wire::List;
use network::{Batch, Link, Request, Response};

use super::chance::Chance;
use super::crooks::{mac, random};
use super::link::Wire;
use super::system::{MAXIMUM, System, amount, expiry, iep};

/// A PSAM that was opened, and what has been made with its keys.
#[derive(Debug)]
pub struct Thief {
    sam: SamId,
    purchase: KeyData,
    record: KeyData,
    batch: BatchNumber,
    nt: SamCounter,
    previous: Mac,
    sums: Sums,
}

impl Thief {
    /// Opens the PSAM that was personalised with these blocks.
    #[must_use]
    pub fn open(sam: SamId, blocks: &[DataBlock]) -> Option<Self> {
        let key = |function| {
            let mut keys =
                blocks.iter().filter_map(|block| KeyData::from_bytes(block.content.as_slice()).ok());
            keys.find(|key| key.function == function)
        };
        Some(Self {
            sam,
            purchase: key(Function::Purchase)?,
            record: key(Function::Record)?,
            batch: BatchNumber::new(1)?,
            nt: SamCounter(1),
            previous: Mac::default(),
            sums: List::new(),
        })
    }

    /// A batch with one payment that was never made, by a purse that stands there.
    fn batch(&self, iep: IepId, balance: i32, nv: Counter, chance: &mut Chance) -> Option<Batch> {
        let value = self.value(iep, balance, nv, chance)?;
        let reference = self.record.reference;
        let key = DerivationKey::new(self.record.key.clone(), reference.algorithm).record_key(self.batch);
        let (sam, batch, outcome) = (self.sam, self.batch, Outcome::Credited);
        let (index, list, s5) = (0, 0, Mac::default());
        let mut record = BatchRecord { sam, batch, index, outcome, list, value, s5 };
        record.s5 = key.sign(&S5 { heading: Heading::new(Name::S5, Kind::Purchase, reference), record });
        let heading = Heading::new(Name::Chain, Kind::Purchase, reference);
        let chain = key.sign(&ChainLink { heading, batch, previous: Mac::default(), s5: record.s5 });
        let mut sums = self.sums.clone();
        record.add_to(&mut sums).ok()?;
        let mut trailer = Trailer {
            sam,
            batch,
            previous: self.previous,
            count: 1,
            unresolved: 0,
            nt: self.nt,
            time: super::system::START,
            list: 0,
            oldest: batch,
            chain,
            s4: Mac::default(),
            sums,
        };
        trailer.s4 = key.sign(&trailer.input(reference));
        Some(Batch { trailer, records: vec![record] })
    }

    /// The payment: S1, S2 and S3 as the purse would make them, S6 made up.
    fn value(&self, iep: IepId, balance: i32, nv: Counter, chance: &mut Chance) -> Option<ValueRecord> {
        let (kind, key) = (Kind::Purchase, self.purchase.reference);
        let maximum = Balance(amount(MAXIMUM).signed());
        let identity = Identity { iep, expiry: expiry(), currency: Currency::EUR, maximum };
        let position = Position {
            balance: Balance(balance),
            nt: Counter::new(nv.get() + 100_000)?,
            nv,
            nv_load: nv,
            nv_cancellation: Counter::default(),
            offline_total: Amount::default(),
            offline_base: Amount::default(),
            random: random(chance),
            receipts: 0,
            service: Service::Open,
        };
        let counterpart = Counterpart { sam: self.sam, challenge: random(chance) };
        let terms = Terms::commitment(mac(chance));
        let minor = amount(1 + chance.below(100));
        let order = Order { amount: minor, time: super::system::START, nt: self.nt, taken_over: nv, terms };
        let statement = Statement { identity, position };
        let s6 = mac(chance);
        let s3 = word(&self.purchase.key, key, &statement, counterpart, order, s6);
        Some(ValueRecord { identity, entry: LogEntry { kind, key, position, counterpart, order, s3, s6 } })
    }
}

/// S3 of a purse, by whoever has the master key of its group.
fn word(
    master: &Key,
    reference: KeyReference,
    statement: &Statement,
    counterpart: Counterpart,
    order: Order,
    s6: Mac,
) -> Mac {
    let (kind, position) = (Kind::Purchase, statement.position);
    let heading = |name| Heading::new(name, kind, reference);
    let holder = statement.identity.iep.into();
    let card = card_key(master, holder, Function::Purchase, reference);
    let card = DerivationKey::new(card, reference.algorithm);
    let context = SessionContext { kind, nt: position.nt, random: position.random, counterpart };
    let k1 = card.statement_key(&context);
    let s1 = S1 { heading: heading(Name::S1), statement: *statement, counterpart, amount: Amount::default() };
    let s1 = k1.mac_key().sign(&s1);
    let ks = k1.order_key(order.nt);
    let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1, sam: counterpart.sam, order });
    ks.sign(&S3 { heading: heading(Name::S3), s2, s6 })
}

impl System {
    /// A forged batch is handed in.
    pub(super) fn forge(&mut self, purse: usize) {
        let (nv, balance) = {
            let known = &self.shared.lock().truth.model.purses[purse];
            (known.log.len(), known.balance)
        };
        let mut chance = self.shared.lock().chance.clone();
        let Some(iep) = iep(purse) else { return };
        let Self { thief: Some(thief), office, shared, now, .. } = self else { return };
        let nv = u32::try_from(nv).ok().and_then(Counter::new).unwrap_or_default();
        let balance = i32::try_from(balance).unwrap_or_default();
        let Some(batch) = thief.batch(iep, balance, nv, &mut chance) else { return };
        let (s4, sums) = (batch.trailer.s4, batch.trailer.sums.clone());
        let answer = Wire::new(office, shared, *now).call(&Request::SubmitBatch(batch));
        // Kept as a batch, however its records are judged: the next one follows it.
        if matches!(answer, Ok(Response::Acknowledged(word)) if word.s4 == s4) {
            (thief.previous, thief.sums) = (s4, sums);
            thief.batch = thief.batch.next().unwrap_or_default();
            thief.nt = thief.nt.next().unwrap_or_default();
        }
    }
}
