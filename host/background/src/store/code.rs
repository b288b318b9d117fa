//! How elements become SQL values and come back. Identities are packed into one
//! integer, so that they are keys of a single column.

use apdu_spec::Element;
use apdu_spec::element::{
    AcquirerId, Amount, Counter, Currency, IepId, ProviderId, PurseNumber, SamCounter, SamId, SamNumber,
};
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, RowIndex, ToSql};

use crate::error::Error;

/// `provider << 40 | number`
pub(crate) fn purse(iep: IepId) -> i64 {
    (u64::from(iep.provider.get()) << 40 | iep.number.get()).cast_signed()
}

/// `acquirer << 24 | number`
pub(crate) fn sam(sam: SamId) -> i64 {
    i64::from(sam.acquirer.get()) << 24 | i64::from(sam.number.get())
}

/// `code << 8 | exponent`
pub(crate) fn currency(currency: Currency) -> i64 {
    i64::from(currency.code) << 8 | i64::from(currency.exponent)
}

/// Low bytes of a packed integer.
const fn low(value: u64, bits: u32) -> u64 {
    value & ((1 << bits) - 1)
}

pub(crate) fn to_iep(packed: i64) -> Result<IepId, Error> {
    let packed = packed.cast_unsigned();
    let provider = to_three_bytes(packed >> 40, ProviderId::new)?;
    let number = PurseNumber::new(low(packed, 40)).ok_or(Error::Damaged("purse number"))?;
    Ok(IepId { provider, number })
}

pub(crate) fn to_sam(packed: i64) -> Result<SamId, Error> {
    let packed = packed.cast_unsigned();
    let acquirer = to_three_bytes(packed >> 24, AcquirerId::new)?;
    Ok(SamId { acquirer, number: to_three_bytes(low(packed, 24), SamNumber::new)? })
}

pub(crate) fn to_currency(packed: i64) -> Result<Currency, Error> {
    let code = u16::try_from(packed >> 8).map_err(|_| Error::Damaged("currency"))?;
    let exponent = u8::try_from(low(packed.cast_unsigned(), 8)).map_err(|_| Error::Damaged("currency"))?;
    Ok(Currency { code, exponent })
}

fn to_three_bytes<T>(value: impl TryInto<u32>, new: fn(u32) -> Option<T>) -> Result<T, Error> {
    value.try_into().ok().and_then(new).ok_or(Error::Damaged("number of three bytes"))
}

/// An identity of three bytes in a column.
pub(super) fn id<T>(row: &Row<'_>, index: impl RowIndex, new: fn(u32) -> Option<T>) -> Result<T, Error> {
    to_three_bytes(get::<u32>(row, index)?, new)
}

/// A counter in a column.
pub(super) fn counter(row: &Row<'_>, index: impl RowIndex) -> Result<Counter, Error> {
    Counter::new(get(row, index)?).ok_or(Error::Damaged("counter"))
}

/// A number of a transaction at its PSAM or load terminal in a column.
pub(super) fn sam_counter(row: &Row<'_>, index: impl RowIndex) -> Result<SamCounter, Error> {
    get(row, index).map(SamCounter)
}

/// An amount in a column.
pub(super) fn amount(row: &Row<'_>, index: impl RowIndex) -> Result<Amount, Error> {
    Amount::new(get(row, index)?).ok_or(Error::Damaged("amount"))
}

/// A plain value in a column.
pub(super) fn get<T: FromSql>(row: &Row<'_>, index: impl RowIndex) -> Result<T, Error> {
    row.get(index).map_err(Error::from)
}

/// An element that was stored byte for byte.
pub(super) fn element<E: Element>(row: &Row<'_>, index: impl RowIndex) -> Result<E, Error> {
    let bytes: Vec<u8> = get(row, index)?;
    E::from_bytes(&bytes).map_err(|_| Error::Damaged("stored record"))
}

/// An element as bytes, on the stack.
pub(super) struct Bytes {
    buffer: [u8; 256],
    length: usize,
}

impl Bytes {
    pub(super) fn of<E: Element>(element: &E) -> Self {
        const { assert!(E::MAX <= 256, "an element is longer than its buffer") };
        let mut buffer = [0; 256];
        let length = element.to_slice(&mut buffer).map_or(0, <[u8]>::len);
        Self { buffer, length }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl ToSql for Bytes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.as_slice())))
    }
}
