//! The whole audit: tables, chain, rows, and what the rows mean.

use std::path::Path;

use serde::Serialize;

use super::compare::compare;
use super::finding::{Finding, FindingKind};
use super::head::{Head, HeadFile};
use super::keeper::Keeper;
use super::replay::replay;
use super::{Restoration, evidence, ledger};
use crate::error::Error;
use crate::store::{Store, Tx, tables};
use crate::vault::Vault;

/// How far an audit is: what it does, how much of it is done, how much there is.
pub type Progress<'p> = &'p mut dyn FnMut(&str, u64, u64);

/// What an audit has seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Verification {
    /// The end of the chain, for paper.
    pub head: String,
    /// Entries of the chain.
    pub entries: u64,
    /// Rows.
    pub rows: u64,
    /// Backups that were taken up.
    pub restorations: Vec<Restoration>,
    /// What is not as this program left it.
    pub findings: Vec<Finding>,
}

/// Holds the database at `path` against its chain, the head of it at `head`, and the keys.
pub fn verify(
    path: &Path,
    head: &Path,
    vault: &Vault,
    progress: Progress<'_>,
) -> Result<Verification, Error> {
    let mut findings = Vec::new();
    let file = match HeadFile::open_to_read(head) {
        Ok(file) => Some(file),
        Err(Error::HeadMissing(path)) => {
            let what = "is missing, the head that is kept outside";
            findings.push(Finding::new(FindingKind::Head, path.display().to_string(), what));
            None
        }
        Err(error) => return Err(error),
    };
    let mut store = Store::open(path)?;
    let key = vault.books_key()?;
    let keeper = Keeper::new(key, tables::covered(&vault.books_key()?)?, file);
    let mut verification = store.snapshot(|tx| look(tx, &keeper, vault, progress))?;
    findings.append(&mut verification.findings);
    Ok(Verification { findings, ..verification })
}

fn look(tx: &Tx<'_>, keeper: &Keeper, vault: &Vault, progress: Progress<'_>) -> Result<Verification, Error> {
    let mut findings: Vec<_> = tx.foreign_objects()?.into_iter().map(schema).collect();
    let entries = count(tx.entry_count()?);
    let mut replay = replay(tx, keeper, &mut |done| progress("entries of the chain", done, entries))?;
    let mut rows = 0;
    for table in &keeper.tables {
        rows += tx.row_count(table).map_or(0, count);
    }
    let rows = compare(tx, keeper, &mut replay, &mut |done| progress("rows", done, rows))?;
    let head = Head::to_string(&replay.last);
    findings.append(&mut replay.findings);
    findings.extend(evidence::check(tx, vault, progress));
    findings.extend(ledger::check(tx));
    let restorations = tx.restorations().unwrap_or_default();
    Ok(Verification { head, entries: replay.entries, rows, restorations, findings })
}

fn schema((object, what): (String, &'static str)) -> Finding {
    Finding::new(FindingKind::Schema, object, what)
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}
