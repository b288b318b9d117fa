//! Tells what a transaction changes, row by row, whatever the table: temporary triggers, which
//! this connection alone has, copy each row before and after its change into a temporary table.
//! What is undone is undone there as well.
//!
//! SQLite has a hook for that, but rusqlite builds it with libclang; and a trigger that calls a
//! function costs more than the change itself, since the statement may fail then and has to keep
//! a journal of its own. For that reason the statements that clearing repeats are `OR FAIL`, and
//! rows that come by the thousand are told by [`Tx::insert_whole`] without any trigger.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, ToSql};

use super::{Tx, code};
use crate::audit::row::{Form, Table};
use crate::error::Error;

/// The row before a change is there.
const BEFORE: u8 = 1;
/// The row after a change is there.
const AFTER: u8 = 2;

/// Tables whose rows are inserted by [`Tx::insert_whole`] and in no other way.
const WHOLE: [&str; 2] = ["posting", "value_commit"];

/// Watches these tables from now on.
pub(super) fn watch(connection: &Connection, tables: &[Table]) -> Result<(), Error> {
    let widest = tables.iter().map(|table| table.columns.len()).max().unwrap_or_default();
    let triggers: String = (0..).zip(tables).map(|(number, table)| triggers(number, table)).collect();
    // REPLACE is a deletion only with recursive triggers.
    Ok(connection.execute_batch(&format!(
        "PRAGMA recursive_triggers = ON;
         CREATE TEMP TABLE told (number, sides, {});
         {triggers}",
        places(2 * widest)
    ))?)
}

/// `c0, c1, c2`
fn places(count: usize) -> String {
    let places: Vec<_> = (0..count).map(|place| format!("c{place}")).collect();
    places.join(", ")
}

fn triggers(number: u8, table: &Table) -> String {
    let name = &table.name;
    let row = |side: &str| -> String {
        table.columns.iter().map(|column| format!(", {side}.\"{column}\"")).collect()
    };
    let (old, new) = (row("OLD"), row("NEW"));
    let trigger = |event: &str, sides: u8, row: &str| {
        let places = places(row.matches(',').count());
        format!(
            "CREATE TEMP TRIGGER \"tell_{event}_{name}\" AFTER {event} ON main.\"{name}\" BEGIN
                 INSERT INTO told (number, sides, {places}) VALUES ({number}, {sides}{row});
             END;"
        )
    };
    let inserted =
        if WHOLE.contains(&name.as_str()) { String::new() } else { trigger("INSERT", AFTER, &new) };
    inserted + &trigger("UPDATE", BEFORE | AFTER, &(old.clone() + &new)) + &trigger("DELETE", BEFORE, &old)
}

impl Tx<'_> {
    /// Inserts a row into `table`, one of [`WHOLE`], by a statement whose parameters are all of
    /// its values in the order of the columns; false where its key is taken.
    pub(super) fn insert_whole(&self, table: &str, sql: &str, row: &[&dyn ToSql]) -> Result<bool, Error> {
        let inserted = self.execute(sql, row)? == 1;
        if let Some(keeper) = self.keeper.filter(|_| inserted) {
            let mut form = keeper.form.borrow_mut();
            form.clear();
            for value in row {
                match value.to_sql()? {
                    ToSqlOutput::Borrowed(value) => form.put(value),
                    ToSqlOutput::Owned(value) => form.put((&value).into()),
                    _ => return Err(Error::Damaged("value")),
                }
            }
            keeper.inserted(table, &form)?;
        }
        Ok(inserted)
    }

    /// Shows what this transaction has changed, in order, and forgets it: the table with its
    /// number, the row before, the row after.
    pub(crate) fn take_told(
        &self,
        tables: &[Table],
        mut each: impl FnMut((u8, &Table), Option<&Form>, Option<&Form>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut statement = self.inner.prepare_cached("SELECT * FROM temp.told ORDER BY rowid")?;
        let mut rows = statement.query([])?;
        let (mut before, mut after) = (Form::default(), Form::default());
        let mut empty = true;
        while let Some(row) = rows.next()? {
            empty = false;
            let (number, sides): (u8, u8) = (code::get(row, 0)?, code::get(row, 1)?);
            let table = tables.get(usize::from(number)).ok_or(Error::Damaged("change"))?;
            let width = table.columns.len();
            let mut start = 2;
            if sides & BEFORE != 0 {
                fill(&mut before, row, start, width)?;
                start += width;
            }
            if sides & AFTER != 0 {
                fill(&mut after, row, start, width)?;
            }
            let there = |side: u8, form| (sides & side != 0).then_some(form);
            each((number, table), there(BEFORE, &before), there(AFTER, &after))?;
        }
        drop(rows);
        if !empty {
            self.inner.prepare_cached("DELETE FROM temp.told")?.execute([])?;
        }
        Ok(())
    }
}

/// The row whose values begin at this column.
pub(super) fn fill(form: &mut Form, row: &Row<'_>, start: usize, width: usize) -> Result<(), Error> {
    form.clear();
    for column in start..start + width {
        form.put(row.get_ref(column)?);
    }
    Ok(())
}
