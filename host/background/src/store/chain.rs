//! Rows of the chain, and rows of any table as the chain sees them.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use super::Tx;
use super::code::get;
use super::watch::fill;
use crate::audit::entry::Entry;
use crate::audit::head::Head;
use crate::audit::row::{Form, Table, values};
use crate::error::Error;
use crate::vault::books::Digest;

fn read(row: &Row<'_>) -> Result<Entry, Error> {
    Ok(Entry { number: get(row, 0)?, name: get(row, 1)?, changes: get(row, 2)?, link: get(row, 3)? })
}

impl Tx<'_> {
    /// Number and link of the last entry.
    pub(crate) fn chain_end(&self) -> Result<Head, Error> {
        let sql = "SELECT number, link FROM chain ORDER BY number DESC LIMIT 1";
        let mut statement = self.inner.prepare_cached(sql)?;
        let end = statement.query_row([], |row| Ok(Head { number: row.get(0)?, link: row.get(1)? }));
        Ok(end.optional()?.unwrap_or(Head::NONE))
    }

    /// Appends an entry.
    pub(crate) fn append_entry(
        &self,
        Head { number, link }: Head,
        name: &str,
        changes: &[u8],
    ) -> Result<(), Error> {
        let mut statement = self.inner.prepare_cached("INSERT INTO chain VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![number, name, changes, link])?;
        Ok(())
    }

    /// The last entry before this number.
    pub(crate) fn entry_before(&self, number: i64) -> Result<Option<Entry>, Error> {
        let sql = "SELECT number, name, changes, link FROM chain WHERE number < ?1
                   ORDER BY number DESC LIMIT 1";
        self.first(sql, [number], read)
    }

    /// Shows all entries in order, each with its number; one that cannot be read is an error of
    /// its own.
    pub(crate) fn entries(
        &self,
        mut each: impl FnMut(i64, Result<Entry, Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sql = "SELECT number, name, changes, link FROM chain ORDER BY number";
        self.all(sql, [], |row| each(get(row, 0)?, read(row))).map(drop)
    }

    /// How many entries there are.
    pub(crate) fn entry_count(&self) -> Result<i64, Error> {
        self.number("SELECT COUNT(*) FROM chain", [])
    }

    /// How many rows a table has.
    pub(crate) fn row_count(&self, table: &Table) -> Result<i64, Error> {
        self.number(&format!("SELECT COUNT(*) FROM \"{}\"", table.name), [])
    }

    /// Shows all rows of a table.
    pub(crate) fn rows(
        &self,
        table: &Table,
        mut each: impl FnMut(&Form) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut form = Form::default();
        let mut show = |row: &Row<'_>| {
            fill(&mut form, row, 0, table.columns.len())?;
            each(&form)
        };
        self.all(&select(table), [], &mut show).map(drop)
    }

    /// Digest of the row that has this key, where there is one.
    pub(crate) fn digest(&self, table: &Table, key: &[u8]) -> Result<Option<Digest>, Error> {
        let columns = table.key.iter().zip(1..);
        let matches: Vec<_> =
            columns.map(|(column, place)| format!("\"{}\" IS ?{place}", table.columns[*column])).collect();
        let sql = format!("{} WHERE {}", select(table), matches.join(" AND "));
        let key: Vec<Value> = values(key).collect();
        self.first(&sql, params_from_iter(key), |row| {
            let mut form = Form::default();
            fill(&mut form, row, 0, table.columns.len())?;
            Ok(table.digest(&form))
        })
    }
}

fn select(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{column}\"")).collect();
    format!("SELECT {} FROM main.\"{}\"", columns.join(", "), table.name)
}
