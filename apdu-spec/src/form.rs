//! The form of a field, as data: what it is made of, how it is shown and typed, and
//! whether it is secret.
//!
//! Every [`Element`](crate::wire::Element) declares its form beside its encoder. From it
//! come the [fields one by one](crate::leaves) of a trace or a comparison,
//! [redaction](crate::leaves::redact), and [text input](crate::text). An element that declares none is secret: what nobody has
//! declared is not shown.

use core::fmt;

use crate::declare::Field;
use crate::leaves::Path;
use crate::wire::hex;

/// What a field is made of.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// A big-endian number of `width` bytes, at most `max`.
    Unsigned {
        /// Bytes.
        width: usize,
        /// Greatest value.
        max: u64,
    },
    /// A big-endian two's-complement number of so many bytes.
    Signed(usize),
    /// Exactly so many bytes.
    Bytes(usize),
    /// Bytes that run to the end: from the first number to the second.
    Octets(usize, usize),
    /// An application identifier, to the end.
    Aid,
    /// Days since 1970-01-01, 2 bytes.
    Date,
    /// Seconds since 1970-01-01T00:00:00Z, 4 bytes.
    Time,
    /// A closed set of codes of `width` bytes.
    Code {
        /// Bytes.
        width: usize,
        /// Names and values.
        names: &'static [(&'static str, u64)],
    },
    /// Fields one after the other.
    Group(&'static [Field]),
    /// Items behind a one-byte count, at most so many.
    List(&'static Self, usize),
    /// A key, a PIN or personalisation data: from the first number of bytes to the second.
    Secret(usize, usize),
}

/// One value that is no group: its place and its bytes. `Display` shows the value, of a
/// secret the length alone.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'l> {
    /// Its name.
    pub path: &'l Path<'l>,
    /// Its form.
    pub form: &'l Form,
    /// Where it begins, in bytes from the start of the shape.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'l [u8],
}

impl Form {
    /// Whether any part of it is secret.
    #[must_use]
    pub const fn has_secret(&self) -> bool {
        match self {
            Self::Secret(..) => true,
            Self::List(item, _) => item.has_secret(),
            Self::Group(fields) => {
                let mut rest = *fields;
                while let [first, others @ ..] = rest {
                    if first.form.has_secret() {
                        return true;
                    }
                    rest = others;
                }
                false
            }
            _ => false,
        }
    }

    /// Least and greatest length in bytes.
    #[must_use]
    pub fn length(&self) -> (usize, usize) {
        match self {
            Self::Unsigned { width, .. } | Self::Signed(width) | Self::Bytes(width) => (*width, *width),
            Self::Code { width, .. } => (*width, *width),
            Self::Octets(min, max) | Self::Secret(min, max) => (*min, *max),
            Self::Aid => (0, 16),
            Self::Date => (2, 2),
            Self::Time => (4, 4),
            Self::List(item, max) => (1, 1 + max * item.length().1),
            Self::Group(fields) => {
                fields.iter().fold((0, 0), |(min, max), field| (min + field.min, max + field.max))
            }
        }
    }
}

/// A big-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The same, two's complement.
fn signed(bytes: &[u8]) -> i64 {
    let unused = 64 - 8 * u32::try_from(bytes.len().clamp(1, 8)).unwrap_or(8);
    (number(bytes) << unused).cast_signed() >> unused
}

impl fmt::Display for Leaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.form, self.bytes) {
            (Form::Secret(..), bytes) => write!(f, "({} bytes, not shown)", bytes.len()),
            (Form::Unsigned { .. }, bytes) => write!(f, "{}", number(bytes)),
            (Form::Signed(_), bytes) => write!(f, "{}", signed(bytes)),
            (Form::Date, [a, b]) => crate::element::Date(u16::from_be_bytes([*a, *b])).fmt(f),
            (Form::Time, [a, b, c, d]) => crate::element::Time(u32::from_be_bytes([*a, *b, *c, *d])).fmt(f),
            (Form::Code { names, .. }, bytes) => {
                let value = number(bytes);
                match names.iter().find(|(_, code)| *code == value) {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{value} (unknown)"),
                }
            }
            (_, []) => f.write_str("(empty)"),
            (_, bytes) => hex(f, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn lengths_are_those_of_the_elements() {
        for row in crate::catalog::rows() {
            for shape in [row.request, row.response] {
                assert_eq!(Form::Group(shape.fields).length(), (shape.min, shape.max), "{}", row.name);
                for field in shape.fields {
                    assert_eq!(field.form.length(), (field.min, field.max), "{}.{}", row.name, field.name);
                }
            }
        }
    }

    #[test]
    fn numbers_below_zero() {
        let path = Path::new(None, "x");
        let leaf = |bytes: &[u8]| Leaf { path: &path, form: &Form::Signed(8), offset: 0, bytes }.to_string();
        assert_eq!(leaf(&(-5_i64).to_be_bytes()), "-5");
        assert_eq!(leaf(&i64::MIN.to_be_bytes()), i64::MIN.to_string());
        assert_eq!(leaf(&[]), "0");
    }
}
