//! The leaves of a shape: its fields one by one, down to what is no group any more, with
//! their paths (`statement.position.nt`). What a trace shows and a comparison compares;
//! and [`redact`], which finds the secrets among them.

use core::fmt;

use crate::declare::{Field, Shape};
use crate::form::{Form, Leaf};
use crate::wire::{Malformed, Reader};

/// The name of a field with the names it stands in: `statement.position.nt`, `sums.0.total`.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    Name(&'static str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The path of `name` in `parent`.
    #[must_use]
    pub const fn new(parent: Option<&'p Self>, name: &'static str) -> Self {
        Self { parent, step: Step::Name(name) }
    }

    /// Whether `text` names this path.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let (front, last) = text.rsplit_once('.').map_or((None, text), |(front, last)| (Some(front), last));
        let same = match self.step {
            Step::Name(name) => name == last,
            Step::Index(index) => last.parse() == Ok(index),
        };
        same && match (self.parent, front) {
            (None, None) => true,
            (Some(parent), Some(front)) => parent.is(front),
            _ => false,
        }
    }

    /// Whether `text` names this path or one that it stands in.
    #[must_use]
    pub fn is_within(&self, text: &str) -> bool {
        self.is(text) || self.parent.is_some_and(|parent| parent.is_within(text))
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        match self.step {
            Step::Name(name) => f.write_str(name),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

impl fmt::Debug for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Receives leaves in wire order.
pub type LeafVisitor<'v> = &'v mut dyn FnMut(Leaf<'_>);

impl Form {
    /// Takes one value of this form and shows its leaves. The value is checked no further
    /// than its lengths.
    fn walk(
        &self,
        path: &Path<'_>,
        reader: &mut Reader<'_>,
        all: usize,
        tell: LeafVisitor<'_>,
    ) -> Result<(), Malformed> {
        match self {
            Self::Group(fields) => walk_fields(fields, Some(path), reader, all, tell),
            Self::List(item, max) => {
                let count = usize::from(reader.byte()?);
                if count > *max {
                    return Err(Malformed);
                }
                (0..count).try_for_each(|index| {
                    item.walk(&Path { parent: Some(path), step: Step::Index(index) }, reader, all, tell)
                })
            }
            _ => {
                let offset = all - reader.remaining();
                let bytes = self.take(reader)?;
                tell(Leaf { path, form: self, offset, bytes });
                Ok(())
            }
        }
    }

    /// The bytes of a value that is no group.
    fn take<'b>(&self, reader: &mut Reader<'b>) -> Result<&'b [u8], Malformed> {
        let (min, max) = self.length();
        if min == max {
            return reader.take(min);
        }
        let bytes = reader.rest();
        if bytes.len() < min || bytes.len() > max { Err(Malformed) } else { Ok(bytes) }
    }
}

fn walk_fields(
    fields: &[Field],
    parent: Option<&Path<'_>>,
    reader: &mut Reader<'_>,
    all: usize,
    tell: LeafVisitor<'_>,
) -> Result<(), Malformed> {
    fields.iter().try_for_each(|field| field.form.walk(&Path::new(parent, field.name), reader, all, tell))
}

impl Shape {
    /// Shows every leaf of `bytes`, which must fill the shape exactly. Values are not
    /// checked, so that an unknown code is shown as a number.
    pub fn leaves(&self, bytes: &[u8], tell: LeafVisitor<'_>) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes);
        walk_fields(self.fields, None, &mut reader, bytes.len(), tell)?;
        reader.finish()
    }

    /// Whether any field is secret.
    #[must_use]
    pub const fn has_secret(&self) -> bool {
        Form::Group(self.fields).has_secret()
    }
}

/// Makes the secrets of `bytes` zero, in place; returns whether there were any. Where the
/// bytes do not have the declared shape, no secret can be found among them: all become zero.
pub fn redact(shape: &Shape, bytes: &mut [u8]) -> bool {
    if !shape.has_secret() {
        return false;
    }
    // No command carries more than 257 bytes; where it does, everything goes.
    let mut places = heapless::Vec::<(usize, usize), 16>::new();
    let mut full = false;
    let walked = shape.leaves(bytes, &mut |leaf| {
        if matches!(leaf.form, Form::Secret(..)) {
            full |= places.push((leaf.offset, leaf.bytes.len())).is_err();
        }
    });
    if walked.is_err() || full {
        bytes.fill(0);
    }
    for (offset, length) in places {
        if let Some(place) = bytes.get_mut(offset..).and_then(|tail| tail.get_mut(..length)) {
            place.fill(0);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::Command as _;
    use crate::purse::{CreditCancellation, GetBalance};
    use crate::sam::{PsamCancel, ReadTrailer};
    use crate::security_domain::StoreData;
    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    fn shown(shape: &Shape, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        shape.leaves(bytes, &mut |leaf| lines.push(std::format!("{} = {leaf}", leaf.path))).unwrap();
        lines
    }

    #[test]
    fn nested_fields_have_paths() {
        let bytes = [0xFF, 0xFF, 0xFE, 0xCA, 0, 0, 0x3A, 0x98, 3, 0xD2, 2];
        let lines = shown(&GetBalance::ROW.response, &bytes);
        assert_eq!(
            lines,
            ["balance = -310", "maximum = 15000", "currency.code = 978", "currency.exponent = 2"]
        );
        assert!(GetBalance::ROW.response.leaves(&bytes[1..], &mut |_| ()).is_err());
    }

    #[test]
    fn lists_have_indices() {
        let shape = ReadTrailer::ROW.response;
        let mut bytes = [0; 255];
        let start = shape.min - 1;
        bytes[start] = 2;
        let lines = shown(&shape, &bytes[..start + 1 + 2 * 28]);
        assert_eq!(lines.last().map(String::as_str), Some("sums.1.claimed = 0"));
    }

    #[test]
    fn secrets_become_zero_and_are_not_shown() {
        for (shape, length, kept) in
            [(StoreData::ROW.request, 25, 5), (CreditCancellation::ROW.request, 16, 0)]
        {
            let mut bytes = [0xA5; 40];
            assert!(redact(&shape, &mut bytes[..length]));
            assert!(bytes[..kept].iter().all(|byte| *byte == 0xA5));
            assert!(bytes[kept..length].iter().all(|byte| *byte == 0), "{shape:?}");
            let lines = shown(&shape, &[0xA5; 40][..length]);
            assert!(lines.iter().any(|line| line.contains("not shown")), "{lines:?}");
            // Of another length: nothing is known about it, nothing stays.
            let mut bytes = [0xA5; 2];
            assert!(redact(&shape, &mut bytes));
            assert_eq!(bytes, [0, 0]);
        }
        assert!(!redact(&GetBalance::ROW.response, &mut [0xA5; 11]));
        // Only the secret goes.
        let mut bytes = [0x15; 20];
        assert!(redact(&PsamCancel::ROW.response, &mut bytes));
        assert_eq!((&bytes[..16], &bytes[16..]), (&[0; 16][..], &[0x15; 4][..]));
    }
}
