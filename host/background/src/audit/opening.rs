//! The cheap look at the books when they are opened: are the tables this program's, is the end
//! of the chain the vault's, and does it go on from the head that is kept outside?

use std::path::Path;

use super::entry::{BEGIN, Entry, RESTORE};
use super::head::{Head, HeadFile};
use super::keeper::Keeper;
use crate::error::Error;
use crate::store::{Store, Tx};
use crate::vault::books::{BooksKey, same};

/// Begins the chain over the rows of a store that has none.
pub(crate) fn begin(store: &mut Store, key: BooksKey, head: Option<&Path>) -> Result<(), Error> {
    store.keep(key, head.map(HeadFile::create).transpose()?)?;
    store.ended_by(BEGIN, |_| Ok(()), Keeper::start)?;
    store.keeper().and_then(|keeper| keeper.file.as_ref()).map_or(Ok(()), HeadFile::sync_name)
}

/// Looks at the books of a store and goes on with their chain.
pub(crate) fn open(store: &mut Store, key: BooksKey, head: &Path) -> Result<(), Error> {
    store.keep(key, Some(HeadFile::open(head)?))?;
    look(store).map(drop)
}

/// Looks at the end of the chain and goes on from there.
pub(crate) fn look(store: &mut Store) -> Result<Head, Error> {
    let end = store.transaction("look at the chain", |tx| {
        tx.keeper.map_or(Ok(Head::NONE), |keeper| check(tx, keeper))
    })?;
    store.keeper().map_or(Ok(()), |keeper| keeper.committed(end))?;
    Ok(end)
}

/// Whether tables, indexes and triggers are those of this program.
pub(crate) fn check_schema(tx: &Tx<'_>) -> Result<(), Error> {
    match tx.foreign_objects()?.first() {
        None => Ok(()),
        Some((object, what)) => Err(Error::Tampered(format!("{object} {what}"))),
    }
}

/// The end of the chain, once it has been looked at.
pub(crate) fn check(tx: &Tx<'_>, keeper: &Keeper) -> Result<Head, Error> {
    let key = &keeper.key;
    let Some(last) = tx.entry_before(i64::MAX)? else {
        return Err(Error::Tampered("the chain over the books is gone".into()));
    };
    if !is_genuine(tx, &last, key)? {
        return Err(Error::Tampered(format!(
            "entry {} of the chain is not under this vault's MAC",
            last.number
        )));
    }
    if last.number < keeper.head().number {
        return Err(Error::Tampered(rolled_back(&last, keeper.head())));
    }
    if let Some(file) = &keeper.file {
        follows(tx, &last, file, key)?;
    }
    Ok(Head { number: last.number, link: last.link })
}

fn rolled_back(last: &Entry, kept: Head) -> String {
    format!("the database ends at entry {} and its head at {}: it was rolled back", last.number, kept.number)
}

/// Whether the entry is the vault's and follows the one before it.
fn is_genuine(tx: &Tx<'_>, entry: &Entry, key: &BooksKey) -> Result<bool, Error> {
    let before = tx.entry_before(entry.number)?.map_or(Head::NONE, |before| before.head());
    Ok(entry.follows(before, key))
}

/// Whether the chain goes on from the head in the file. A crash between commit and file leaves
/// the file behind, never ahead.
fn follows(tx: &Tx<'_>, last: &Entry, file: &HeadFile, key: &BooksKey) -> Result<(), Error> {
    let Some(kept) = file.read(key)? else {
        let text = format!("{} holds no head under this vault's MAC", file.path().display());
        return Err(Error::Tampered(text));
    };
    if kept.number > last.number {
        return Err(Error::Tampered(rolled_back(last, kept)));
    }
    let mut entry = last.clone();
    let mut lost = false;
    while entry.number > kept.number {
        let before = tx.entry_before(entry.number)?;
        if !entry.follows(before.as_ref().map_or(Head::NONE, Entry::head), key) {
            return Err(Error::Tampered(format!("entry {} of the chain was changed", entry.number)));
        }
        // What a restoration leaves out is lost with the vault's consent.
        lost = entry.name == RESTORE;
        let Some(before) = before else { break };
        entry = before;
    }
    if entry.head() == kept || (lost && entry.number < kept.number) {
        return Ok(());
    }
    Err(Error::Tampered(format!("the database does not go on from entry {} of its head", kept.number)))
}

impl Entry {
    /// The head that it was.
    pub(crate) const fn head(&self) -> Head {
        Head { number: self.number, link: self.link }
    }

    /// Whether this entry is the vault's and follows `before`.
    pub(crate) fn follows(&self, before: Head, key: &BooksKey) -> bool {
        let link = key.link(&before.link, self.number, &self.name, &self.changes);
        let dense = before.number.checked_add(1) == Some(self.number);
        same(&link, &self.link) && (dense || (self.name == RESTORE && self.number > before.number))
    }
}
