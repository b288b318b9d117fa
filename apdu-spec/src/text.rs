//! Commands that a person types: `InitializeIep group=1 version=1 counterpart.sam.number=7`.
//!
//! [`request`] makes the bytes of a request from assignments, after the row's declaration.
//! A group may be given field by field or as a whole in hexadecimal. Values:
//!
//! ```text
//! number   2000  -310  0x7D0        day    2027-01-01       code   Purchase  1
//! bytes    D0D1D2D3  0xD0D1  D0:D1  time   2026-01-12T06:00:00Z
//! name     purse  psam  transfer  isd  F05055525345
//! ```

use core::fmt::{self, Write as _};

use crate::aid::Aid;
use crate::calendar::{day, second};
use crate::declare::{Field, Row};
use crate::form::Form;
use crate::leaves::Path;
use crate::wire::{Malformed, Writer};

/// Most assignments of one command.
pub const ASSIGNMENTS_MAX: usize = 32;

/// The path of a field, kept for a message; cut off where it is longer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FieldName(heapless::String<64>);

impl FieldName {
    fn of(path: &Path<'_>) -> Self {
        let mut name = Self::default();
        let _ = write!(name.0, "{path}");
        name
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no request.
#[derive(Clone, Debug)]
pub enum Error<'t> {
    /// A word without `=`.
    NoAssignment(&'t str),
    /// The command has no such field.
    NoField(&'t str),
    /// The same field, or a group and a field in it, twice.
    Twice(&'t str),
    /// A field without a value.
    Missing(FieldName, &'static Field),
    /// A value that is none of this field.
    Value(FieldName, &'static Form),
    /// More assignments than any command has fields.
    TooMany,
    /// The values do not make a request together.
    Request,
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAssignment(word) => write!(f, "`{word}` is no assignment; write field=value"),
            Self::NoField(name) => write!(f, "there is no field `{name}`"),
            Self::Twice(name) => write!(f, "`{name}` is given twice"),
            Self::Missing(name, field) => {
                write!(f, "`{name}` is missing: {} ({})", field.doc.trim_end_matches('.'), field.form)
            }
            // A value that is wrong may be a key all the same: it is not repeated.
            Self::Value(name, form) => write!(f, "the value of `{name}` does not fit: {form} is expected"),
            Self::TooMany => write!(f, "there are more than {ASSIGNMENTS_MAX} assignments"),
            Self::Request => f.write_str("the values do not make a request together"),
        }
    }
}

impl core::error::Error for Error<'_> {}

/// What can be typed for it.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned { max, .. } => write!(f, "a number from 0 to {max}"),
            Self::Signed(width) => write!(f, "a number of {width} bytes, below zero too"),
            Self::Bytes(length) => write!(f, "{length} bytes in hexadecimal"),
            Self::Octets(min, max) | Self::Secret(min, max) if min == max => {
                write!(f, "{max} bytes in hexadecimal")
            }
            Self::Octets(min, max) | Self::Secret(min, max) => {
                write!(f, "{min} to {max} bytes in hexadecimal")
            }
            Self::Aid => f.write_str("purse, psam, transfer, isd, or up to 16 bytes in hexadecimal"),
            Self::Date => f.write_str("a day such as 2027-01-01"),
            Self::Time => f.write_str("a time such as 2026-01-12T06:00:00Z"),
            Self::Code { names, .. } => {
                names.iter().enumerate().try_for_each(|(place, (name, _))| {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{name}")
                })?;
                f.write_str(", or its number")
            }
            Self::Group(_) | Self::List(..) => {
                let (min, max) = self.length();
                write!(f, "{min} to {max} bytes in hexadecimal, or its fields one by one")
            }
        }
    }
}

/// A set of assignments, each used once.
struct Assignments<'t, 'a> {
    all: &'a [(&'t str, &'t str)],
    used: u32,
}

impl<'t> Assignments<'t, '_> {
    fn take(&mut self, path: &Path<'_>) -> Option<&'t str> {
        let place = self.all.iter().position(|(name, _)| path.is(name))?;
        self.used |= 1 << place;
        self.all.get(place).map(|(_, value)| *value)
    }

    /// What has not been used names a field that has its value already.
    fn finish(&self) -> Result<(), Error<'t>> {
        let unused = self.all.iter().enumerate().find(|(place, _)| self.used & 1 << place == 0);
        unused.map_or(Ok(()), |(_, (name, _))| Err(Error::Twice(name)))
    }
}

/// Whether a path leads to a field.
fn names_field(fields: &[Field], path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    fields.iter().filter(|field| field.name == first).any(|field| match (rest, field.form) {
        (None, _) => true,
        (Some(rest), Form::Group(fields)) => names_field(fields, rest),
        _ => false,
    })
}

/// The bytes of a request, those in P1-P2 included, from words `field=value`;
/// [`Row::frame`] makes a command APDU of them.
pub fn request<'t, 'b>(
    row: &Row,
    words: impl Iterator<Item = &'t str>,
    buffer: &'b mut [u8],
) -> Result<&'b [u8], Error<'t>> {
    let mut all = heapless::Vec::<_, ASSIGNMENTS_MAX>::new();
    for word in words {
        let assignment = word.split_once('=').ok_or(Error::NoAssignment(word))?;
        all.push(assignment).map_err(|_| Error::TooMany)?;
    }
    // A slip in a name is said before what is missing because of it.
    if let Some((name, _)) = all.iter().find(|(name, _)| !names_field(row.request.fields, name)) {
        return Err(Error::NoField(name));
    }
    let mut assignments = Assignments { all: &all, used: 0 };
    let mut writer = Writer::new(buffer);
    put_fields(row.request.fields, None, &mut assignments, &mut writer)?;
    assignments.finish()?;
    let bytes = writer.finish().map_err(|Malformed| Error::Request)?;
    // The declared decoder has the last word.
    (row.request.visit)(bytes, &mut |_, _| ()).map_err(|Malformed| Error::Request)?;
    Ok(bytes)
}

fn put_fields<'t>(
    fields: &'static [Field],
    parent: Option<&Path<'_>>,
    assignments: &mut Assignments<'t, '_>,
    writer: &mut Writer<'_>,
) -> Result<(), Error<'t>> {
    fields.iter().try_for_each(|field| {
        let path = Path::new(parent, field.name);
        match (assignments.take(&path), &field.form) {
            (Some(text), form) => {
                put(form, text, writer).map_err(|Malformed| Error::Value(FieldName::of(&path), form))
            }
            (None, Form::Group(fields)) => put_fields(fields, Some(&path), assignments, writer),
            (None, _) if field.min == 0 => Ok(()),
            (None, _) => Err(Error::Missing(FieldName::of(&path), field)),
        }
    })
}

/// The bytes of one value.
pub fn value<'b>(form: &Form, text: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
    let mut writer = Writer::new(buffer);
    put(form, text, &mut writer)?;
    writer.finish()
}

fn put(form: &Form, text: &str, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    match form {
        Form::Unsigned { width, max } => {
            let number = unsigned(text)?;
            if number > *max {
                return Err(Malformed);
            }
            put_number(number, *width, writer)
        }
        Form::Signed(width) => {
            let number: i64 = text.parse().map_err(|_| Malformed)?;
            let spare = 64 - 8 * u32::try_from(*width).map_err(|_| Malformed)?;
            if number << spare >> spare != number {
                return Err(Malformed);
            }
            put_number(number.cast_unsigned(), *width, writer)
        }
        Form::Code { width, names } => {
            let named = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            let number = named.map_or_else(|| unsigned(text), |(_, value)| Ok(*value))?;
            put_number(number, *width, writer)
        }
        Form::Date => put_number(day(text).map_or_else(|_| unsigned(text), |day| Ok(day.into()))?, 2, writer),
        Form::Time => put_number(second(text).or_else(|_| unsigned(text))?, 4, writer),
        Form::Aid => match Aid::NAMED.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            Some((_, aid)) => {
                writer.put(aid);
                Ok(())
            }
            None => put_hex(form.length(), text, writer),
        },
        _ => put_hex(form.length(), text, writer),
    }
}

/// Decimal, or hexadecimal behind 0x.
fn unsigned(text: &str) -> Result<u64, Malformed> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = digits.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
    number.map_err(|_| Malformed)
}

/// The last `width` bytes of a number; what does not fit is malformed.
fn put_number(number: u64, width: usize, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    let bytes = number.to_be_bytes();
    let (front, bytes) = bytes.split_at_checked(8_usize.saturating_sub(width)).ok_or(Malformed)?;
    let sign = if number.cast_signed() < 0 { 0xFF } else { 0 };
    if front.iter().any(|byte| *byte != sign) {
        return Err(Malformed);
    }
    writer.put(bytes);
    Ok(())
}

/// Pairs of digits, with colons between bytes if one likes.
fn put_hex((min, max): (usize, usize), text: &str, writer: &mut Writer<'_>) -> Result<(), Malformed> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut digits = digits.chars().filter(|letter| *letter != ':');
    let mut count = 0;
    while let Some(high) = digits.next() {
        let digit = |letter: char| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let low = digits.next().and_then(digit).ok_or(Malformed)?;
        writer.put(&[digit(high).ok_or(Malformed)? << 4 | low]);
        count += 1;
    }
    if count < min || count > max { Err(Malformed) } else { Ok(()) }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
