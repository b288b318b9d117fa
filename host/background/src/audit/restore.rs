//! Takes up the books where a backup left them, once somebody says why.

use std::path::Path;

use apdu_spec::element::Time;

use super::Restoration;
use super::finding::{Finding, FindingKind};
use super::head::{Head, HeadFile};
use super::opening;
use super::verify::verify;
use crate::error::Error;
use crate::store::Store;
use crate::vault::Vault;

/// Goes on from the database at `path`, which is an older one than its head at `head` says, or
/// whose head is lost. `last` is the last entry that somebody remembers from paper. The chain
/// goes on behind everything that is lost, so that its number only rises.
pub fn accept(
    path: &Path,
    head: &Path,
    vault: &Vault,
    reason: &str,
    last: Option<i64>,
    now: Time,
) -> Result<Restoration, Error> {
    if reason.trim().is_empty() {
        return Err(Error::BadOrder("a backup is taken up for a reason; give it"));
    }
    let odd = verify(path, head, vault, &mut |_, _, _| ())?.findings;
    let expected = |finding: &&Finding| !matches!(finding.kind, FindingKind::Head | FindingKind::RolledBack);
    match odd.iter().find(expected) {
        Some(finding) => return Err(Error::Tampered(finding.to_string())),
        None if odd.is_empty() => {
            return Err(Error::BadOrder("the books go on from their head; there is nothing to take up"));
        }
        None => {}
    }
    let (file, kept) = match HeadFile::open(head) {
        Ok(file) => {
            let kept = file.read(&vault.books_key()?)?;
            (file, kept)
        }
        Err(Error::HeadMissing(_)) => (HeadFile::create(head)?, None),
        Err(error) => return Err(error),
    };
    let mut store = Store::open(path)?;
    store.keep(vault.books_key()?, None)?;
    let end = opening::look(&mut store)?;
    let newest = [Some(end.number), kept.map(|kept| kept.number), last].into_iter().flatten().max();
    let entry = newest.and_then(|newest| newest.checked_add(1)).ok_or(Error::Overflow)?;
    let restoration =
        Restoration { entry, kept: end.number, time: now.to_string(), reason: reason.to_owned() };
    store.ended_by(
        "accept restore",
        |tx| tx.insert_restoration(&restoration, now),
        |keeper, tx| keeper.append_restoration(tx, end, entry),
    )?;
    let end = store.keeper().map_or(Head::NONE, super::keeper::Keeper::head);
    file.write(end, &vault.books_key()?)?;
    file.sync_name()?;
    Ok(restoration)
}
