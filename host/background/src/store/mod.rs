//! The SQLite store. SQL stands in this folder and nowhere else; each file is the
//! part of [`Tx`] for one kind of row.
//!
//! Everything happens inside [`Store::transaction`]: it is stored as a whole or not
//! at all, and has reached the disk when the call returns. Where the books are kept under
//! their chain, each transaction that changes something ends with its entry (see `audit`).

pub mod approvals;
pub(crate) mod audit;
pub mod batches;
pub(crate) mod chain;
pub mod claims;
pub(crate) mod code;
pub mod commits;
pub mod exceptions;
pub mod guarantees;
pub mod load_terminals;
pub mod participants;
pub mod postings;
pub mod purses;
mod refunds;
pub mod reports;
pub(crate) mod restorations;
mod schema;
pub mod settlements;
pub(crate) mod tables;
pub mod transfers;
pub(crate) mod watch;

use core::cell::Cell;
use core::time::Duration;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, TransactionBehavior,
};

use crate::audit::head::{Head, HeadFile};
use crate::audit::keeper::Keeper;
use crate::error::Error;
use crate::vault::books::BooksKey;

/// How long a transaction waits for another process.
const BUSY: Duration = Duration::from_secs(2);

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Store(error.to_string()),
        }
    }
}

/// An open database.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    power: Power,
    keeper: Option<Keeper>,
}

/// Statements that may still run before power fails; without a number, for ever.
type Power = Cell<Option<u32>>;

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// A transaction that is under way.
pub struct Tx<'c> {
    inner: rusqlite::Transaction<'c>,
    power: &'c Power,
    /// What keeps the books; nothing for a bare store.
    pub(crate) keeper: Option<&'c Keeper>,
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

impl Store {
    /// Makes a new database file.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        store.make_tables()?;
        Ok(store)
    }

    /// Makes a new database that is gone when it is dropped.
    pub fn in_memory() -> Result<Self, Error> {
        let store = Self::over(Connection::open_in_memory()?, Path::new("memory"))?;
        store.make_tables()?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<(), Error> {
        let (pragmas, tables) = (schema::PRAGMAS, schema::TABLES);
        let (ours, version) = (schema::APPLICATION_ID, schema::VERSION);
        Ok(self.connection.execute_batch(&format!(
            "{pragmas} BEGIN; {tables} PRAGMA application_id = {ours}; PRAGMA user_version = {version}; COMMIT;",
        ))?)
    }

    /// Opens a database file of this version. Another program's file is left as it is.
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::metadata(path).map_err(Error::io(path))?;
        let store = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if store.header("application_id")? != schema::APPLICATION_ID {
            return Err(Error::NotOurs(path.to_owned()));
        }
        let found = store.header("user_version")?;
        if found < schema::VERSION {
            return Err(Error::OlderSchema { path: path.to_owned(), found, known: schema::VERSION });
        }
        if found > schema::VERSION {
            return Err(Error::NewerSchema { path: path.to_owned(), found, known: schema::VERSION });
        }
        store.connection.execute_batch(schema::PRAGMAS)?;
        Ok(store)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|error| Error::Io { path: path.to_owned(), source: std::io::Error::other(error) })?;
        Self::over(connection, path)
    }

    fn over(connection: Connection, path: &Path) -> Result<Self, Error> {
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(Self { connection, path: path.to_owned(), power: Cell::new(None), keeper: None })
    }

    /// Keeps the books under their chain from now on; their head goes to `file` as well.
    pub(crate) fn keep(&mut self, key: BooksKey, file: Option<HeadFile>) -> Result<(), Error> {
        let tables = tables::covered(&key)?;
        watch::watch(&self.connection, &tables)?;
        self.keeper = Some(Keeper::new(key, tables, file));
        Ok(())
    }

    /// What keeps the books.
    pub(crate) const fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// For simulations: power fails after so many statements, in the middle of a
    /// transaction or before its end, until it is back ([`Store::power_up`]).
    pub fn cut_after(&mut self, statements: u32) {
        self.power.set(Some(statements));
    }

    /// Power is back; whether it had failed.
    pub fn power_up(&mut self) -> bool {
        self.power.take() == Some(0)
    }

    /// A number in the header of the file.
    fn header(&self, name: &str) -> Result<i64, Error> {
        let number = self.connection.pragma_query_value(None, name, |row| row.get(0));
        number.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Error::NotOurs(self.path.clone()),
            _ => Error::from(error),
        })
    }

    /// Runs `work` in one transaction. An error undoes all of it, so that it may be run
    /// again; `name` is for the trace and for the chain.
    pub fn transaction<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.ended_by(name, work, |keeper, tx| keeper.append(tx, name))
    }

    /// The same, where `link` makes the entry of the chain.
    pub(crate) fn ended_by<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
        link: impl FnOnce(&Keeper, &Tx<'_>) -> Result<Option<Head>, Error>,
    ) -> Result<T, Error> {
        let tx = Self::begin(&mut self.connection, &self.power, self.keeper.as_ref())?;
        let done = tx.begin().and_then(|()| work(&tx)).and_then(|done| tx.spend().map(|()| done));
        let outcome = done.and_then(|done| Ok((done, tx.end(link)?)));
        match outcome {
            Ok((done, head)) => {
                tx.inner.commit()?;
                committed(&self.power, self.keeper.as_ref(), head)?;
                Ok(done)
            }
            Err(error) => {
                tracing::warn!(transaction = name, %error, "undone");
                Err(error)
            }
        }
    }

    /// Reads everything as it is at one moment, whatever others write meanwhile.
    pub(crate) fn snapshot<T>(&mut self, read: impl FnOnce(&Tx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let inner = self.connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        read(&Tx { inner, power: &self.power, keeper: None })
    }

    fn begin<'c>(
        connection: &'c mut Connection,
        power: &'c Power,
        keeper: Option<&'c Keeper>,
    ) -> Result<Tx<'c>, Error> {
        let inner = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Tx { inner, power, keeper })
    }
}

/// The head of what was committed leaves for its file, before any answer does.
fn committed(power: &Power, keeper: Option<&Keeper>, head: Option<Head>) -> Result<(), Error> {
    let (Some(keeper), Some(head)) = (keeper, head) else { return Ok(()) };
    if keeper.file.is_some() {
        spend(power)?;
    }
    keeper.committed(head)
}

/// Takes the power for one statement.
fn spend(power: &Power) -> Result<(), Error> {
    match power.get() {
        None => {}
        Some(0) => return Err(Error::Store("power has failed".into())),
        Some(left) => power.set(Some(left - 1)),
    }
    Ok(())
}

impl Tx<'_> {
    fn begin(&self) -> Result<(), Error> {
        self.keeper.map_or(Ok(()), |keeper| keeper.begin(self))
    }

    fn end(
        &self,
        link: impl FnOnce(&Keeper, &Self) -> Result<Option<Head>, Error>,
    ) -> Result<Option<Head>, Error> {
        self.keeper.map_or(Ok(None), |keeper| link(keeper, self))
    }

    fn spend(&self) -> Result<(), Error> {
        spend(self.power)
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.spend()?;
        Ok(self.inner.prepare_cached(sql)?)
    }

    /// Runs a statement that changes rows; how many it changed.
    fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize, Error> {
        Ok(self.statement(sql)?.execute(parameters)?)
    }

    /// The first row, where there is one.
    fn first<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.statement(sql)?;
        let found = statement.query_row(parameters, |row| Ok(read(row))).optional()?;
        found.transpose()
    }

    /// All rows.
    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// One number, for sums and counts.
    fn number(&self, sql: &str, parameters: impl Params) -> Result<i64, Error> {
        self.first(sql, parameters, |row| code::get(row, 0)).map(Option::unwrap_or_default)
    }
}

/// One-byte codes of a column.
macro_rules! column_code {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $variant_doc:literal])* $variant:ident = $value:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant = $value,)* }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok((*self as u8).into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                match value.as_i64()? {
                    $($value => Ok(Self::$variant),)*
                    other => Err(rusqlite::types::FromSqlError::OutOfRange(other)),
                }
            }
        }
    };
}
use column_code;
