//! Keeps the books under their chain: what each transaction changes becomes an entry, in the
//! same transaction, and its head goes to the head file once that is committed.

use core::cell::{Cell, RefCell};

use super::entry::{BEGIN, Changes, RESTORE};
use super::head::{Head, HeadFile};
use super::opening;
use super::row::{Form, Table};
use crate::error::Error;
use crate::store::Tx;
use crate::vault::books::BooksKey;

/// What keeps one store.
pub(crate) struct Keeper {
    pub(crate) key: BooksKey,
    pub(crate) tables: Vec<Table>,
    /// Nothing for a database in memory.
    pub(crate) file: Option<HeadFile>,
    /// Changes of the transaction under way, as far as they were told at once.
    changes: RefCell<Changes>,
    /// A row that is being told.
    pub(crate) form: RefCell<Form>,
    /// The end of the chain as this process left it.
    head: Cell<Head>,
    /// Version of the schema that was looked at last.
    schema: Cell<Option<i64>>,
}

impl Keeper {
    pub(crate) fn new(key: BooksKey, tables: Vec<Table>, file: Option<HeadFile>) -> Self {
        let (changes, form) = (RefCell::default(), RefCell::default());
        Self { key, tables, file, changes, form, head: Cell::new(Head::NONE), schema: Cell::new(None) }
    }

    /// The end of the chain.
    pub(crate) const fn head(&self) -> Head {
        self.head.get()
    }

    /// Before a transaction: nothing is told yet, and no trigger or table is foreign.
    pub(crate) fn begin(&self, tx: &Tx<'_>) -> Result<(), Error> {
        self.changes.borrow_mut().clear();
        let version = Some(tx.schema_version()?);
        if version != self.schema.get() {
            opening::check_schema(tx)?;
            self.schema.set(version);
        }
        Ok(())
    }

    /// A row was inserted into a table, all of its values in the order of the columns.
    pub(crate) fn inserted(&self, table: &str, row: &Form) -> Result<(), Error> {
        let known = (0..).zip(&self.tables).find(|(_, known)| known.name == table);
        self.changes.borrow_mut().put(known.ok_or(Error::Damaged("table"))?, None, Some(row))
    }

    /// The entry that begins the chain, over all rows that are there.
    pub(crate) fn start(&self, tx: &Tx<'_>) -> Result<Option<Head>, Error> {
        if tx.chain_end()? != Head::NONE {
            return Err(Error::Tampered("these books have a chain already".into()));
        }
        for table in (0..).zip(&self.tables) {
            tx.rows(table.1, |row| self.changes.borrow_mut().put(table, None, Some(row)))?;
        }
        self.write(tx, BEGIN, Head::NONE, 1).map(Some)
    }

    /// The entry of a transaction that has come to its end; nothing where it changed nothing.
    pub(crate) fn append(&self, tx: &Tx<'_>, name: &str) -> Result<Option<Head>, Error> {
        self.gather(tx)?;
        if self.changes.borrow().bytes.is_empty() {
            return Ok(None);
        }
        let mut end = tx.chain_end()?;
        // Another process of ours has written; or somebody else.
        if end != self.head() {
            end = opening::check(tx, self)?;
        }
        let number = end.number.checked_add(1).ok_or(Error::Overflow)?;
        self.write(tx, name, end, number).map(Some)
    }

    /// The entry that takes up the books after a backup, behind everything that is lost.
    pub(crate) fn append_restoration(
        &self,
        tx: &Tx<'_>,
        end: Head,
        number: i64,
    ) -> Result<Option<Head>, Error> {
        self.gather(tx)?;
        self.write(tx, RESTORE, end, number).map(Some)
    }

    /// Adds what the triggers have told.
    fn gather(&self, tx: &Tx<'_>) -> Result<(), Error> {
        tx.take_told(&self.tables, |table, before, after| self.changes.borrow_mut().put(table, before, after))
    }

    fn write(&self, tx: &Tx<'_>, name: &str, before: Head, number: i64) -> Result<Head, Error> {
        let changes = &self.changes.borrow().bytes;
        let head = Head { number, link: self.key.link(&before.link, number, name, changes) };
        tx.append_entry(head, name, changes)?;
        Ok(head)
    }

    /// After the commit: the head goes to its file, before any answer leaves.
    pub(crate) fn committed(&self, head: Head) -> Result<(), Error> {
        self.head.set(head);
        self.file.as_ref().map_or(Ok(()), |file| file.write(head, &self.key))
    }

    /// Waits until the head is on its disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.as_ref().map_or(Ok(()), HeadFile::sync)
    }
}
