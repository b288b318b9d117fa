//! Batches with every MAC good, made without any card, and a database that knows who
//! took part.

use std::path::Path;

use apdu_spec::batch::{Sums, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{Amount, Balance, BatchNumber, Counter, Kind, Mac, Random, SamCounter, Service};
use apdu_spec::personalisation::Function;
use apdu_spec::record::{
    BatchRecord, Counterpart, Identity, LogEntry, Order, Outcome, Position, Statement, Terms, ValueRecord,
    balance_after,
};
use apdu_spec::signature::{ChainLink, Heading, Name, S1, S2, S3, S5, S6};
use background::store::Store;
use background::store::participants::{Connection, Module, Role};
use background::store::purses::Purse;
use background::{Error, MerchantId, Vault, VaultFile};
use network::Batch;

use crate::scheme::{self, NOW, acquirer, amount, counter, identity, master, provider, reference, sam_id};

/// The vault of the scheme, by way of its file.
///
/// # Panics
/// Where the folder cannot be written.
#[must_use]
pub fn vault(folder: &Path) -> Vault {
    let line = |name: &str, function: Function| {
        let (group, key) = (reference(function).group, hex(master(function).expose()));
        format!(r#"{{"function":"{name}","group":{group},"version":1,"algorithm":"aes-cmac","key":"{key}"}}"#)
    };
    let keys = [
        line("load", Function::Load),
        line("purchase", Function::Purchase),
        line("certificate", Function::Certificate),
        line("record", Function::Record),
    ];
    let path = folder.join("vault.json");
    std::fs::write(&path, format!(r#"{{"format":2,"plain":{{"keys":[{}]}}}}"#, keys.join(",")))
        .expect("written");
    VaultFile::open_plain(&path).expect("a vault").1
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Registers the participants of the scheme, PSAM 1 and purses 1 to `purses`.
pub fn populate(store: &mut Store, purses: u64) -> Result<MerchantId, Error> {
    store.transaction("populate", |tx| {
        tx.insert_issuer(provider(), "Issuer")?;
        tx.insert_acquirer(acquirer(), "Acquirer")?;
        let merchant = tx.insert_merchant("Bakery", acquirer())?.expect("a new database");
        let module = Module {
            role: Role::Psam,
            merchant: Some(merchant),
            record_key: Some(reference(Function::Record)),
            connection: Connection::Periodic,
        };
        tx.insert_module(sam_id(1), &module, "Till", NOW)?;
        for number in 1..=purses {
            let Identity { iep, currency, expiry, maximum } = identity(number);
            let purse = Purse::new(iep, currency, expiry, maximum, OVERDRAFT, amount(20_000));
            tx.insert_purse(&purse, NOW)?;
        }
        Ok(merchant)
    })
}

/// What each purse may owe: they pay and are never loaded.
const OVERDRAFT: Amount = Amount::MAX;

/// A purse in software that only pays.
struct Payer {
    statement: Statement,
    purchase: DerivationKey,
    certificate: DerivationKey,
}

impl Payer {
    fn new(number: u64) -> Self {
        let identity = identity(number);
        let zero = Counter::default();
        let position = Position {
            balance: Balance(0),
            nt: zero,
            nv: zero,
            nv_load: zero,
            nv_cancellation: zero,
            offline_total: Amount::default(),
            offline_base: Amount::default(),
            random: Random(number.to_be_bytes()),
            receipts: 0,
            service: Service::Open,
        };
        let key = |function| {
            DerivationKey::new(scheme::own_key(identity.iep, function), reference(function).algorithm)
        };
        Self {
            statement: Statement { identity, position },
            purchase: key(Function::Purchase),
            certificate: key(Function::Certificate),
        }
    }

    fn pay(&mut self, order: Order) -> ValueRecord {
        let position = &mut self.statement.position;
        position.nt = position.nt.next().expect("counter");
        let kind = Kind::Purchase;
        let key = reference(Function::Purchase);
        let statement = self.statement;
        let counterpart = Counterpart { sam: sam_id(1), challenge: Random([7; 8]) };
        let context = SessionContext {
            kind,
            nt: statement.position.nt,
            random: statement.position.random,
            counterpart,
        };
        let heading = |name| Heading::new(name, kind, key);
        let k1 = self.purchase.statement_key(&context);
        let s1 = S1 { heading: heading(Name::S1), statement, counterpart, amount: Amount::default() };
        let s1 = k1.mac_key().sign(&s1);
        let ks = k1.order_key(order.nt);
        let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1, sam: counterpart.sam, order });
        let balance = balance_after(kind, statement.position.balance, order.amount).expect("in range");
        let nv = statement.position.nv.next().expect("counter");
        let s6 = S6 { heading: heading(Name::S6), statement, counterpart, order, s2, balance, nv };
        let s6 = self.certificate.certificate_key(&context).sign(&s6);
        let s3 = ks.sign(&S3 { heading: heading(Name::S3), s2, s6 });
        let entry = LogEntry { kind, key, position: statement.position, counterpart, order, s3, s6 };
        (self.statement.position.balance, self.statement.position.nv) = (balance, nv);
        ValueRecord { identity: statement.identity, entry }
    }
}

/// `count` batches of `records` payments of 100 each, by purses 1 to `purses` in turn, at
/// PSAM 1.
///
/// # Panics
/// Where a counter or a batch is too large.
#[must_use]
pub fn batches(count: u32, records: u16, purses: u64) -> Vec<Batch> {
    let mut payers: Vec<_> = (1..=purses).map(Payer::new).collect();
    let (mut previous, mut sums) = (Mac::default(), Sums::new());
    let mut nt = 0;
    let key = DerivationKey::new(
        scheme::own_key(sam_id(1), Function::Record),
        reference(Function::Record).algorithm,
    );
    (1..=count)
        .map(|number| {
            let batch = BatchNumber::new(number).expect("small");
            let values = (0..records).map(|_| {
                nt += 1;
                let payer = nt as usize % payers.len();
                let terms = Terms::commitment(Mac([9; 8]));
                let order = Order {
                    amount: amount(100),
                    time: NOW,
                    nt: SamCounter(nt),
                    taken_over: counter(0),
                    terms,
                };
                payers[payer].pay(order)
            });
            let batch = close(&key.record_key(batch), batch, previous, &sums, values.collect());
            (previous, sums) = (batch.trailer.s4, batch.trailer.sums.clone());
            batch
        })
        .collect()
}

/// A batch under S5 and S4.
fn close(key: &MacKey, batch: BatchNumber, previous: Mac, before: &Sums, values: Vec<ValueRecord>) -> Batch {
    let sam = sam_id(1);
    let reference = reference(Function::Record);
    let heading = |name| Heading::new(name, Kind::Purchase, reference);
    let sign = |(index, value)| {
        let index = u16::try_from(index).expect("small");
        let (outcome, list, s5) = (Outcome::Credited, 0, Mac::default());
        let record = BatchRecord { sam, batch, index, outcome, list, value, s5 };
        BatchRecord { s5: key.sign(&S5 { heading: heading(Name::S5), record }), ..record }
    };
    let records: Vec<_> = values.into_iter().enumerate().map(sign).collect();
    let chain = records.iter().fold(Mac::default(), |previous, record| {
        key.sign(&ChainLink { heading: heading(Name::Chain), batch, previous, s5: record.s5 })
    });
    let count = u16::try_from(records.len()).expect("small");
    let mut sums = before.clone();
    records.iter().try_for_each(|record| record.add_to(&mut sums)).expect("small");
    let nt = records.last().map_or_else(SamCounter::default, |record| record.value.entry.order.nt);
    let (time, list, oldest, s4) = (NOW, 0, batch, Mac::default());
    let mut trailer =
        Trailer { sam, batch, previous, count, unresolved: 0, nt, time, list, oldest, chain, s4, sums };
    trailer.s4 = key.sign(&trailer.input(reference));
    Batch { trailer, records }
}
