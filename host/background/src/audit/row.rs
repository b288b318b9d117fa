//! Rows in their canonical form, whatever table they are of.
//!
//! A value is `type (1) | length (4) | bytes` for texts and blobs, and `type (1) | bytes` for
//! numbers: an integer in the fewest bytes that hold it (big-endian, two's complement), with
//! their count in its type. A row is its values in the order of its columns; its key is those
//! of its primary key. Two rows with the same form are the same row.

use rusqlite::types::{Value, ValueRef};

use crate::store::code;
use crate::vault::books::{BooksKey, Digest, TableKey};

const NULL: u8 = 0x00;
/// An integer of no byte (zero); the count of its bytes is added.
const INTEGER: u8 = 0x10;
const REAL: u8 = 0x20;
const TEXT: u8 = 0x30;
const BLOB: u8 = 0x40;

/// A table whose rows the chain has digests of.
pub(crate) struct Table {
    pub(crate) name: String,
    /// All columns, in their order.
    pub(crate) columns: Vec<String>,
    /// Which columns are the primary key, in its order.
    pub(crate) key: Vec<usize>,
    seal: TableKey,
}

impl Table {
    /// A table of this form; its name and those of its columns are part of every digest.
    pub(crate) fn new(name: String, columns: Vec<String>, key: Vec<usize>, books: &BooksKey) -> Self {
        let mut form = Vec::new();
        for name in std::iter::once(&name).chain(&columns) {
            put(ValueRef::Text(name.as_bytes()), &mut form);
        }
        Self { seal: books.table(&form), name, columns, key }
    }

    /// The digest of a row.
    pub(crate) fn digest(&self, row: &Form) -> Digest {
        self.seal.digest(&row.bytes)
    }

    /// The values of a row that are its key, in order.
    pub(crate) fn key_values<'r>(&self, row: &'r Form) -> impl Iterator<Item = &'r [u8]> {
        self.key.iter().map(|column| row.value(*column))
    }

    /// A row by its key, for a person: `value commit, purse 11-5, nv 3`.
    pub(crate) fn describe(&self, key: &[u8]) -> String {
        let mut text = self.name.replace('_', " ");
        for (column, value) in self.key.iter().zip(values(key)) {
            let column = &self.columns[*column];
            text.push_str(", ");
            if *column != self.name {
                text.push_str(&column.replace('_', " "));
                text.push(' ');
            }
            text.push_str(&word(column, &value));
        }
        text
    }
}

/// A row, or the key of one, in its canonical form. It is filled again and again.
#[derive(Default)]
pub(crate) struct Form {
    pub(crate) bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Form {
    /// Forgets the row.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Puts the next value.
    pub(crate) fn put(&mut self, value: ValueRef<'_>) {
        put(value, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn value(&self, column: usize) -> &[u8] {
        let end = |column: usize| self.ends.get(column).copied().unwrap_or_default();
        let start = column.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(column)).unwrap_or_default()
    }
}

/// A value of a key as a person reads it.
fn word(column: &str, value: &Value) -> String {
    match (column, value) {
        ("purse", Value::Integer(packed)) => {
            code::to_iep(*packed).map_or_else(|_| packed.to_string(), |iep| iep.to_string())
        }
        ("sam", Value::Integer(packed)) => {
            code::to_sam(*packed).map_or_else(|_| packed.to_string(), |sam| sam.to_string())
        }
        ("currency", Value::Integer(packed)) => (packed >> 8).to_string(),
        (_, Value::Integer(number)) => number.to_string(),
        (_, Value::Null) => "nothing".to_owned(),
        (_, Value::Real(number)) => number.to_string(),
        (_, Value::Text(text)) => format!("{text:?}"),
        (_, Value::Blob(bytes)) => hex::encode_upper(bytes),
    }
}

/// Puts a value.
fn put(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Integer(number) => put_integer(number, out),
        ValueRef::Real(number) => {
            out.push(REAL);
            out.extend(number.to_bits().to_be_bytes());
        }
        ValueRef::Text(bytes) => put_bytes(TEXT, bytes, out),
        ValueRef::Blob(bytes) => put_bytes(BLOB, bytes, out),
    }
}

fn put_integer(number: i64, out: &mut Vec<u8>) {
    // Leading bits that only repeat the sign, less the sign itself.
    let spare = (number ^ (number >> 63)).leading_zeros().saturating_sub(1);
    let length = if number == 0 { 0 } else { 8 - spare as usize / 8 };
    out.push(INTEGER + u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(&number.to_be_bytes()[8 - length..]);
}

fn put_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    // No value of SQLite is longer.
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The values of a canonical form, as far as it is one.
pub(crate) fn values(mut form: &[u8]) -> impl Iterator<Item = Value> {
    std::iter::from_fn(move || take(&mut form))
}

fn take(form: &mut &[u8]) -> Option<Value> {
    let kind = *form.split_off_first()?;
    Some(match kind {
        NULL => Value::Null,
        REAL => Value::Real(f64::from_bits(u64::from_be_bytes(*form.split_off(..8)?.first_chunk()?))),
        TEXT => Value::Text(String::from_utf8_lossy(take_bytes(form)?).into_owned()),
        BLOB => Value::Blob(take_bytes(form)?.to_vec()),
        _ => Value::Integer(take_integer(kind.checked_sub(INTEGER)?, form)?),
    })
}

fn take_integer(length: u8, form: &mut &[u8]) -> Option<i64> {
    let bytes = form.split_off(..usize::from(length))?;
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xFF } else { 0 };
    let mut number = [sign; 8];
    number.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i64::from_be_bytes(number))
}

fn take_bytes<'f>(form: &mut &'f [u8]) -> Option<&'f [u8]> {
    let length = u32::from_be_bytes(*form.split_off(..4)?.first_chunk()?);
    form.split_off(..usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::Integer),
            (-300_i64..300).prop_map(Value::Integer),
            (0_u32..64).prop_map(|bit| Value::Integer(i64::MIN >> bit)),
            (-1e9..1e9).prop_map(Value::Real),
            ".{0,8}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn a_row_comes_back(row in prop::collection::vec(value(), 0..8)) {
            let mut form = Vec::new();
            row.iter().for_each(|value| put(value.into(), &mut form));
            prop_assert_eq!(values(&form).collect::<Vec<_>>(), row);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            values(&bytes).for_each(drop);
        }
    }

    #[test]
    fn small_numbers_are_short() {
        for (number, length) in [(0, 1), (1, 2), (-1, 2), (127, 2), (128, 3), (-128, 2), (i64::MIN, 9)] {
            let mut form = Vec::new();
            put(ValueRef::Integer(number), &mut form);
            assert_eq!(form.len(), length, "{number}");
        }
    }
}
