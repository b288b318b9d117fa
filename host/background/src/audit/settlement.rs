//! The cheap look before money leaves: is what is about to be paid what the chain says, and do
//! the accounts say so too?
//!
//! It goes back as far as the last settlement and checks every row that was changed since, and
//! further only for what it needs and has not met: payments that were held back there, modules
//! and merchants that were not paid there. Each settlement writes the modules and merchants that
//! it pays once more, as they are, so that the next one soon meets them.

use std::collections::{HashMap, HashSet};

use super::entry::{BEGIN, Entry, SETTLE};
use super::head::Head;
use super::keeper::Keeper;
use super::opening;
use crate::error::Error;
use crate::ledger::account::Account;
use crate::store::Tx;
use crate::store::settlements::UNSETTLED;
use crate::vault::books::Digest;

/// Which row: the place of its table, and its key.
type RowName = (usize, Vec<u8>);

/// What the entries say of a row, walking back: its digest now, and the one that the entry before
/// has to leave.
struct Seen {
    now: Option<Digest>,
    before: Option<Digest>,
}

/// Looks at what a settlement is about to pay.
pub(crate) fn check(tx: &Tx<'_>) -> Result<(), Error> {
    let Some(keeper) = tx.keeper else { return Ok(()) };
    let mut wanted = wanted(tx, keeper)?;
    let pays = !wanted.is_empty();
    let seen = walk_back(tx, keeper, &mut wanted)?;
    if let Some((place, key)) = wanted.into_iter().next() {
        return tampered(&keeper.tables[place].describe(&key), "was made up: the chain does not have it");
    }
    for ((place, key), seen) in &seen {
        let table = &keeper.tables[*place];
        if tx.digest(table, key)? != seen.now {
            return tampered(&table.describe(key), "is not what the chain says");
        }
    }
    accounts_agree(tx)?;
    if pays { tx.write_payees_again() } else { Ok(()) }
}

fn tampered<T>(about: &str, what: &str) -> Result<T, Error> {
    Err(Error::Tampered(format!("{about} {what}")))
}

/// The payments that nothing has been paid for, their modules and the merchants of those.
fn wanted(tx: &Tx<'_>, keeper: &Keeper) -> Result<HashSet<RowName>, Error> {
    let mut wanted = HashSet::new();
    for (name, sql) in UNSETTLED {
        let place = keeper.tables.iter().position(|table| table.name == name);
        let place = place.ok_or(Error::Damaged("table"))?;
        let keys = tx.keys(&keeper.tables[place], sql)?;
        wanted.extend(keys.into_iter().map(|key| (place, key)));
    }
    Ok(wanted)
}

/// Walks back from the end of the chain; what it meets is no longer wanted.
fn walk_back(
    tx: &Tx<'_>,
    keeper: &Keeper,
    wanted: &mut HashSet<RowName>,
) -> Result<HashMap<RowName, Seen>, Error> {
    let mut seen = HashMap::new();
    let mut next = tx.entry_before(i64::MAX)?;
    // Another process of ours has written; or somebody else.
    if next.as_ref().map_or(Head::NONE, Entry::head) != keeper.head() {
        opening::check(tx, keeper)?;
    }
    let mut settled = false;
    while let Some(entry) = next.filter(|_| !settled || !wanted.is_empty()) {
        let before = tx.entry_before(entry.number)?;
        if !entry.follows(before.as_ref().map_or(Head::NONE, Entry::head), &keeper.key) {
            return tampered(&format!("entry {} of the chain", entry.number), "was changed");
        }
        take_in(keeper, &entry, &mut seen, wanted)?;
        settled |= entry.name == SETTLE || entry.name == BEGIN;
        next = before;
    }
    Ok(seen)
}

/// The changes of one entry, the last one first.
fn take_in(
    keeper: &Keeper,
    entry: &Entry,
    seen: &mut HashMap<RowName, Seen>,
    wanted: &mut HashSet<RowName>,
) -> Result<(), Error> {
    let changes = entry.changes().ok_or(Error::Damaged("entry of the chain"))?;
    for change in changes.into_iter().rev() {
        let known = keeper.tables.iter().position(|table| table.name == change.table);
        let Some(place) = known else { continue };
        let name = (place, change.key.to_vec());
        wanted.remove(&name);
        match seen.get_mut(&name) {
            Some(later) if later.before != change.after => {
                return tampered(&keeper.tables[place].describe(change.key), "was changed by somebody else");
            }
            Some(later) => later.before = change.before,
            None => drop(seen.insert(name, Seen { now: change.after, before: change.before })),
        }
    }
    Ok(())
}

/// Whether each merchant is paid what its account says.
fn accounts_agree(tx: &Tx<'_>) -> Result<(), Error> {
    for sum in tx.unsettled_by_merchant()? {
        if tx.balance(Account::Payable(sum.merchant), sum.currency)? != sum.total {
            let about = format!("what merchant {} is to be paid", sum.merchant.0);
            return tampered(&about, "is not what its account says");
        }
    }
    Ok(())
}
