//! Verified and booked against plain inserts: the same rows, in the same order, into the
//! same tables with the same indexes and pragmas, one durable transaction a batch. Ours are
//! kept under their chain; plain ones are not.

use std::path::Path;
use std::time::Instant;

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{Currency, Mac};
use apdu_spec::wire::List;
use background::ledger::account::Account;
use background::ledger::posting::Event;
use background::store::Store;
use background::store::batches::StoredBatch;
use background::store::commits::{CommitState, Evidence, Source};
use background::store::postings::PostingRow;
use background::{Background, Error, MerchantId};
use network::Batch;
use system_tests::records::{batches, populate, vault};
use system_tests::scheme::{NOW, provider};

/// Records of a batch.
pub(crate) const RECORDS: u16 = 10_000;
/// Purses that pay in turn: each is in a batch four times.
const PURSES: u64 = 2_500;

/// Records a second: ours, plain inserts. A batch each in turn, medians.
pub(crate) fn rates(rounds: u32) -> Result<(f64, f64), Error> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let batches = batches(rounds, RECORDS, PURSES);
    let path = folder.path().join("ours.db");
    let mut store = Store::create(&path)?;
    populate(&mut store, PURSES)?;
    let mut ours = Background::begin(store, Some(&path.with_extension("head")), vault(folder.path()))?;
    let (mut plain, merchant) = plain_store(folder.path())?;

    let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
    for batch in &batches {
        let start = Instant::now();
        ours.submit(batch, NOW)?;
        our_times.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        insert(&mut plain, merchant, batch)?;
        plain_times.push(start.elapsed().as_secs_f64());
    }
    assert_eq!(ours.exceptions()?.len(), 0, "every record is booked");
    let rate = |times| f64::from(RECORDS) / crate::median(times);
    Ok((rate(our_times), rate(plain_times)))
}

fn plain_store(folder: &Path) -> Result<(Store, MerchantId), Error> {
    let mut store = Store::create(&folder.join("plain.db"))?;
    let merchant = populate(&mut store, PURSES)?;
    Ok((store, merchant))
}

/// The rows that clearing writes for a batch of payments, as they are.
fn insert(store: &mut Store, merchant: MerchantId, batch: &Batch) -> Result<(), Error> {
    let mut ordered: Vec<_> = batch.records.iter().collect();
    ordered.sort_by_key(|record| (record.value.identity.iep, record.value.entry.position.nv));
    store.transaction("plain", |tx| {
        tx.insert_batch(&plain_batch(batch))?;
        let debit = tx.account(Account::Float(provider()), Currency::EUR)?;
        let credit = tx.account(Account::Payable(merchant), Currency::EUR)?;
        for record in ordered {
            tx.insert_commit(
                &Evidence::Batch(*record),
                CommitState::Booked,
                Source::Own,
                Some(record.batch),
            )?;
            let nv = record.value.entry.nv().ok_or(Error::Overflow)?;
            let posting = PostingRow { debit, credit, amount: record.value.entry.order.amount.get().into() };
            tx.insert_posting(&Event::Payment(record.value.identity.iep, nv), &posting, NOW)?;
        }
        Ok(())
    })
}

/// The row of a batch, with an acknowledgement that nobody checks.
fn plain_batch(batch: &Batch) -> StoredBatch {
    let trailer = batch.trailer.clone();
    let (sam, number, s4) = (trailer.sam, trailer.batch, trailer.s4);
    let (resolved, mac) = (List::new(), Mac::default());
    let acknowledgement = Acknowledgement { sam, batch: number, s4, time: NOW, list_min: 0, resolved, mac };
    StoredBatch { before: trailer.sums.clone(), trailer, received: NOW, acknowledgement }
}
