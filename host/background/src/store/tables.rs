//! What tables there are, and whether a database has exactly those of this program.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{Tx, schema};
use crate::audit::entry::TABLES;
use crate::audit::row::Table;
use crate::error::Error;
use crate::vault::books::BooksKey;

/// Tables, indexes and triggers: SQL by type and name.
type Objects = BTreeMap<(String, String), Option<String>>;

/// The tables whose rows the chain covers: all but its own.
pub(crate) fn covered(key: &BooksKey) -> Result<Vec<Table>, Error> {
    let reference = reference()?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'chain' ORDER BY name";
    let names: Vec<String> =
        reference.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if names.len() > TABLES {
        return Err(Error::Damaged("number of tables"));
    }
    names.into_iter().map(|name| table(&reference, name, key)).collect()
}

fn table(reference: &Connection, name: String, key: &BooksKey) -> Result<Table, Error> {
    let mut statement = reference.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let rows = statement.query_map([&name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let (columns, places): (Vec<_>, Vec<_>) = rows.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut places: Vec<_> = places.into_iter().enumerate().filter(|(_, place)| *place > 0).collect();
    places.sort_unstable_by_key(|(_, place)| *place);
    Ok(Table::new(name, columns, places.into_iter().map(|(column, _)| column).collect(), key))
}

/// A database as this program makes it.
fn reference() -> Result<Connection, Error> {
    let reference = Connection::open_in_memory()?;
    reference.execute_batch(schema::TABLES)?;
    Ok(reference)
}

fn objects(connection: &Connection) -> Result<Objects, Error> {
    let mut statement = connection.prepare("SELECT type, name, sql FROM main.sqlite_schema")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Tx<'_> {
    /// A number that changes whenever a table, index or trigger does.
    pub(crate) fn schema_version(&self) -> Result<i64, Error> {
        Ok(self.inner.prepare_cached("PRAGMA main.schema_version")?.query_row([], |row| row.get(0))?)
    }

    /// Tables, indexes and triggers that are not those of this program: `trigger x`, and
    /// whether each is missing, foreign or other.
    pub(crate) fn foreign_objects(&self) -> Result<Vec<(String, &'static str)>, Error> {
        let (expected, found) = (objects(&reference()?)?, objects(&self.inner)?);
        let missing_or_other = expected.iter().filter_map(|(object, sql)| match found.get(object) {
            None => Some((object, "is missing")),
            Some(other) if other != sql => Some((object, "is not as this program makes it")),
            Some(_) => None,
        });
        let foreign = found.keys().filter(|object| !expected.contains_key(*object));
        let all = missing_or_other.chain(foreign.map(|object| (object, "is none of this program's")));
        Ok(all.map(|((kind, name), what)| (format!("{kind} {name}"), what)).collect())
    }
}
