//! The SQLite store. SQL stands in this folder and nowhere else; each file is the
//! part of [`Tx`] for one kind of row.
//!
//! Everything happens inside [`Store::transaction`]: it is stored as a whole or not
//! at all, and has reached the disk when the call returns.

pub mod approvals;
pub mod batches;
pub mod claims;
mod code;
pub mod commits;
pub mod exceptions;
pub mod load_terminals;
pub mod participants;
pub mod postings;
pub mod purses;
pub mod reports;
mod schema;
pub mod settlements;
pub mod transfers;

use core::cell::Cell;
use core::time::Duration;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, TransactionBehavior,
};

use crate::error::Error;

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
}

/// Statements that may still run before power fails; without a number, for ever.
type Power = Cell<Option<u32>>;

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// A transaction that is under way.
#[derive(Debug)]
pub struct Tx<'c>(rusqlite::Transaction<'c>, &'c Power);

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
        if found != schema::VERSION {
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
        Ok(Self { connection, path: path.to_owned(), power: Cell::new(None) })
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
    /// again; `name` is for the trace.
    pub fn transaction<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let behavior = TransactionBehavior::Immediate;
        let tx = Tx(self.connection.transaction_with_behavior(behavior)?, &self.power);
        let outcome = work(&tx).and_then(|done| tx.spend().map(|()| done));
        match &outcome {
            Ok(_) => tx.0.commit()?,
            Err(error) => tracing::warn!(transaction = name, %error, "undone"),
        }
        outcome
    }
}

impl Tx<'_> {
    /// Takes the power for one statement.
    fn spend(&self) -> Result<(), Error> {
        match self.1.get() {
            None => {}
            Some(0) => return Err(Error::Store("power has failed".into())),
            Some(left) => self.1.set(Some(left - 1)),
        }
        Ok(())
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        self.spend()?;
        Ok(self.0.prepare_cached(sql)?)
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
