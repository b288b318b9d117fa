//! How bytes become values: a bounded reader, a bounded writer, and the trait
//! that every field of the wire implements.
//!
//! Reading never panics and never reads past its slice; bytes that are left
//! over at the end are an error ([`Reader::finish`]). Writing past the buffer is
//! remembered and reported once ([`Writer::finish`]), so that encoders stay
//! straight lines.

use core::fmt;

use crate::form::Form;

/// The bytes do not have the declared shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes do not have the declared shape")
    }
}

impl core::error::Error for Malformed {}

/// A field, or a group of fields, of the wire.
pub trait Element: Sized {
    /// Least number of bytes.
    const MIN: usize;
    /// Greatest number of bytes; equal to [`Element::MIN`] where the length is fixed.
    const MAX: usize;
    /// What it is made of. Who declares nothing declares a secret: it is never shown.
    const FORM: Form = Form::Secret(Self::MIN, Self::MAX);

    /// Appends the bytes of this value.
    fn encode(&self, writer: &mut Writer<'_>);

    /// Takes the bytes of one value from the front of the reader.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// Decodes a value that must fill `bytes` exactly.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// Encodes into the front of `buffer` and returns the part that was written.
    fn to_slice<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
        let mut writer = Writer::new(buffer);
        self.encode(&mut writer);
        writer.finish()
    }
}

/// Takes values from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the front of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(Malformed)?;
        self.bytes = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.bytes.split_first_chunk::<N>().ok_or(Malformed)?;
        self.bytes = tail;
        Ok(*head)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the reading: bytes that are left over are an error.
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Appends values to a slice.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Writes from the front of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0, overflow: false }
    }

    /// Appends `bytes`; past the end of the buffer nothing is written and
    /// [`Writer::finish`] fails.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.length..).and_then(|tail| tail.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.overflow = true,
        }
    }

    /// Appends exactly `length` bytes, which `encode` writes: their bounds are checked once.
    #[inline]
    pub fn chunk(&mut self, length: usize, encode: impl FnOnce(&mut Writer<'_>)) {
        match self.buffer.get_mut(self.length..).and_then(|tail| tail.get_mut(..length)) {
            Some(place) => {
                let mut writer = Writer::new(place);
                encode(&mut writer);
                self.overflow |= writer.overflow || writer.length != length;
                self.length += length;
            }
            None => self.overflow = true,
        }
    }

    /// How many bytes have been written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes that were written, or an error where the buffer was too small.
    pub fn finish(self) -> Result<&'a [u8], Malformed> {
        if self.overflow {
            return Err(Malformed);
        }
        self.buffer.get(..self.length).ok_or(Malformed)
    }
}

impl Element for () {
    const MIN: usize = 0;
    const MAX: usize = 0;
    const FORM: Form = Form::Group(&[]);
    fn encode(&self, _: &mut Writer<'_>) {}
    fn decode(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(())
    }
}

impl Element for u8 {
    const MIN: usize = 1;
    const MAX: usize = 1;
    const FORM: Form = Form::Unsigned { width: 1, max: 0xFF };
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&[*self]);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.byte()
    }
}

/// Fixed-width big-endian integers.
macro_rules! big_endian {
    ($($integer:ty: $form:expr),*) => { $(
        impl Element for $integer {
            const MIN: usize = size_of::<$integer>();
            const MAX: usize = size_of::<$integer>();
            const FORM: Form = $form;
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) {
                writer.put(&self.to_be_bytes());
            }
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.array().map(Self::from_be_bytes)
            }
        }
    )* };
}
big_endian!(
    u16: Form::Unsigned { width: 2, max: u16::MAX as u64 },
    u32: Form::Unsigned { width: 4, max: u32::MAX as u64 },
    i32: Form::Signed(4),
    i64: Form::Signed(8)
);

impl<const N: usize> Element for [u8; N] {
    const MIN: usize = N;
    const MAX: usize = N;
    const FORM: Form = Form::Bytes(N);
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(self);
    }
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array()
    }
}

/// Up to `N` bytes that run to the end of the data field. Last field only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Octets<const N: usize>(heapless::Vec<u8, N>);

impl<const N: usize> Octets<N> {
    /// Copies `bytes`; fails where there are more than `N`.
    pub fn new(bytes: &[u8]) -> Result<Self, Malformed> {
        heapless::Vec::from_slice(bytes).map(Self).map_err(|_| Malformed)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Octets<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl<const N: usize> Element for Octets<N> {
    const MIN: usize = 0;
    const MAX: usize = N;
    const FORM: Form = Form::Octets(0, N);
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(reader.rest())
    }
}

/// Like [`Octets`], but shows its length only and is erased when it is dropped:
/// for personalisation data, which may be a key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Concealed<const N: usize>(Octets<N>);

impl<const N: usize> Concealed<N> {
    /// Copies `bytes`; fails where there are more than `N`.
    pub fn new(bytes: &[u8]) -> Result<Self, Malformed> {
        Octets::new(bytes).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl<const N: usize> Drop for Concealed<N> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0.0);
    }
}

impl<const N: usize> fmt::Debug for Concealed<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes, not shown)", self.as_slice().len())
    }
}

impl<const N: usize> Element for Concealed<N> {
    const MIN: usize = 0;
    const MAX: usize = N;
    const FORM: Form = Form::Secret(0, N);
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Octets::decode(reader).map(Self)
    }
}

/// Up to `N` items behind a one-byte count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List<T, const N: usize>(heapless::Vec<T, N>);

impl<T, const N: usize> List<T, N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// Appends `item`; fails where the list is full.
    pub fn push(&mut self, item: T) -> Result<(), Malformed> {
        self.0.push(item).map_err(|_| Malformed)
    }

    /// The items.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The items, to be changed.
    pub fn iter_mut(&mut self) -> core::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element, const N: usize> Element for List<T, N> {
    const MIN: usize = 1;
    const MAX: usize = 1 + N * T::MAX;
    const FORM: Form = Form::List(&T::FORM, N);
    fn encode(&self, writer: &mut Writer<'_>) {
        // The capacity of every list is below 256.
        writer.put(&[u8::try_from(self.0.len()).unwrap_or(u8::MAX)]);
        for item in &self.0 {
            item.encode(writer);
        }
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut list = Self::new();
        for _ in 0..reader.byte()? {
            list.push(T::decode(reader)?)?;
        }
        Ok(list)
    }
}

/// Encodes newtypes like what is inside them; `as` gives another form to show and type.
#[macro_export]
macro_rules! transparent {
    (@form $inner:ty) => { <$inner as $crate::wire::Element>::FORM };
    (@form $inner:ty, $form:ident) => { $crate::form::Form::$form };
    ($($name:ident($inner:ty $(as $form:ident)?)),*) => { $(
        impl $crate::wire::Element for $name {
            const MIN: usize = <$inner as $crate::wire::Element>::MIN;
            const MAX: usize = <$inner as $crate::wire::Element>::MAX;
            const FORM: $crate::form::Form = $crate::transparent!(@form $inner $(, $form)?);
            #[inline]
            fn encode(&self, writer: &mut $crate::wire::Writer<'_>) {
                $crate::wire::Element::encode(&self.0, writer);
            }
            #[inline]
            fn decode(
                reader: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::Malformed> {
                $crate::wire::Element::decode(reader).map(Self)
            }
        }
    )* };
}

/// A closed set of codes: an enum whose unknown values are malformed.
#[macro_export]
macro_rules! code {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident: $width:ty {
            $($(#[doc = $variant_doc:literal])* $variant:ident = $value:literal,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr($width)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant = $value,)* }

        impl $name {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        impl $crate::wire::Element for $name {
            const MIN: usize = size_of::<$width>();
            const MAX: usize = size_of::<$width>();
            const FORM: $crate::form::Form = $crate::form::Form::Code {
                width: size_of::<$width>(),
                names: &[$((stringify!($variant), $value)),*],
            };
            #[inline]
            fn encode(&self, writer: &mut $crate::wire::Writer<'_>) {
                $crate::wire::Element::encode(&(*self as $width), writer);
            }
            #[inline]
            fn decode(
                reader: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::Malformed> {
                match <$width as $crate::wire::Element>::decode(reader)? {
                    $($value => Ok(Self::$variant),)*
                    _ => Err($crate::wire::Malformed),
                }
            }
        }
    };
}

/// Prints bytes as upper-case hexadecimal digits.
pub fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_an_error() {
        assert_eq!(u16::from_bytes(&[1, 2]), Ok(0x0102));
        assert_eq!(u16::from_bytes(&[1, 2, 3]), Err(Malformed));
        assert_eq!(u16::from_bytes(&[1]), Err(Malformed));
    }

    #[test]
    fn writing_past_the_end_is_reported_and_writes_nothing() {
        let mut buffer = [0xA5; 3];
        let mut writer = Writer::new(&mut buffer);
        0x0102_u16.encode(&mut writer);
        0x0304_u16.encode(&mut writer);
        assert_eq!(writer.finish(), Err(Malformed));
        assert_eq!(buffer, [1, 2, 0xA5]);
    }

    #[test]
    fn a_list_longer_than_its_capacity_is_refused() {
        assert!(List::<u8, 2>::from_bytes(&[2, 7, 8]).is_ok());
        assert!(List::<u8, 2>::from_bytes(&[3, 7, 8, 9]).is_err());
    }
}
