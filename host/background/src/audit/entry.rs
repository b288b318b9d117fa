//! Entries of the chain: what one transaction has changed.
//!
//! A change is `flags (1) | table (1) | name of table | length of key (2) | key | digest before
//! (16) | digest after (16)`. Flags say which of the last two there are, and whether the name
//! of the table follows its number: it does where the entry names it for the first time, as
//! `length (1) | bytes`.

use super::row::{Form, Table};
use crate::error::Error;
use crate::vault::books::{Digest, Link};

const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const NAMED: u8 = 4;

/// Most tables that a database has.
pub(crate) const TABLES: usize = 64;

/// Name of the entry that begins a chain.
pub(crate) const BEGIN: &str = "begin";
/// Name of entries after which nothing is left to be paid, unless it was held back.
pub(crate) const SETTLE: &str = "settle";
/// Name of entries that take up the books where a backup left them.
pub(crate) const RESTORE: &str = "accept restore";

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Number, from 1 and without gaps; a restoration leaves out what was lost.
    pub(crate) number: i64,
    /// Name of the transaction.
    pub(crate) name: String,
    /// The changes, in order.
    pub(crate) changes: Vec<u8>,
    /// MAC over this entry and the link before it.
    pub(crate) link: Link,
}

/// What has happened to one row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change<'e> {
    pub(crate) table: &'e str,
    pub(crate) key: &'e [u8],
    /// Digest of the row before; nothing where it was inserted.
    pub(crate) before: Option<Digest>,
    /// Digest of the row after; nothing where it was deleted.
    pub(crate) after: Option<Digest>,
}

impl Entry {
    /// The changes, in order; nothing where this program would not have written them.
    pub(crate) fn changes(&self) -> Option<Vec<Change<'_>>> {
        let mut names = [""; TABLES];
        let mut rest = self.changes.as_slice();
        let mut changes = Vec::new();
        while !rest.is_empty() {
            changes.push(take(&mut rest, &mut names)?);
        }
        Some(changes)
    }
}

fn take<'e>(rest: &mut &'e [u8], names: &mut [&'e str; TABLES]) -> Option<Change<'e>> {
    let [flags, number] = *rest.split_off(..2)?.first_chunk()?;
    let name = names.get_mut(usize::from(number))?;
    if flags & NAMED != 0 {
        let length = *rest.split_off_first()?;
        *name = core::str::from_utf8(rest.split_off(..length.into())?).ok()?;
    }
    let length = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
    let key = rest.split_off(..length.into())?;
    let mut digest = |flag| {
        (flags & flag == 0).then_some(None).or_else(|| Some(Some(*rest.split_off(..16)?.first_chunk()?)))
    };
    Some(Change { table: name, key, before: digest(BEFORE)?, after: digest(AFTER)? })
}

/// The changes of a transaction that is under way.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) bytes: Vec<u8>,
    /// A bit for each table that is named already.
    named: u64,
}

impl Changes {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.named = 0;
    }

    /// Puts the change of a row of `table`, the one of this number.
    pub(crate) fn put(
        &mut self,
        table: (u8, &Table),
        before: Option<&Form>,
        after: Option<&Form>,
    ) -> Result<(), Error> {
        if let (Some(old), Some(new)) = (before, after)
            && !table.1.key_values(old).eq(table.1.key_values(new))
        {
            // A row whose key changes is another row.
            self.put(table, before, None)?;
            return self.put(table, None, after);
        }
        let Some(row) = before.or(after) else { return Ok(()) };
        let flag = |row: Option<&Form>, flag: u8| if row.is_some() { flag } else { 0 };
        self.put_name(table, row, flag(before, BEFORE) | flag(after, AFTER))?;
        let digests = before.iter().chain(&after).map(|row| table.1.digest(row));
        digests.for_each(|digest| self.bytes.extend_from_slice(&digest));
        Ok(())
    }

    /// Which row it is.
    fn put_name(&mut self, (number, table): (u8, &Table), row: &Form, flags: u8) -> Result<(), Error> {
        let name = (self.named >> number & 1 == 0).then_some(&table.name);
        self.named |= 1 << number;
        self.bytes.extend([if name.is_some() { flags | NAMED } else { flags }, number]);
        if let Some(name) = name {
            self.bytes.push(u8::try_from(name.len()).map_err(|_| Error::Overflow)?);
            self.bytes.extend_from_slice(name.as_bytes());
        }
        let length = table.key_values(row).map(<[u8]>::len).sum::<usize>();
        self.bytes.extend(u16::try_from(length).map_err(|_| Error::Overflow)?.to_be_bytes());
        table.key_values(row).for_each(|value| self.bytes.extend_from_slice(value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(changes: Vec<u8>) -> Entry {
        Entry { number: 1, name: BEGIN.to_owned(), changes, link: [0; 32] }
    }

    #[test]
    fn a_table_is_named_once() {
        let change = |flags: u8, name: &[u8]| [&[flags, 3], name, &[0, 1, 0x10], &[9; 16]].concat();
        let two = entry([change(AFTER | NAMED, b"\x05purse"), change(BEFORE, b"")].concat());
        let changes = two.changes().expect("two changes");
        let tables: Vec<_> =
            changes.iter().map(|change| (change.table, change.before, change.after)).collect();
        assert_eq!(tables, [("purse", None, Some([9; 16])), ("purse", Some([9; 16]), None)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = entry(bytes).changes();
        }
    }
}
