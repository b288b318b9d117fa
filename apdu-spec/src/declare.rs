//! Declares the wire once. [`layout!`](crate::layout) makes a group of fields,
//! [`command_set!`](crate::command_set) makes the commands of an application:
//! encoder, decoder, catalogue row and printer all come from the one text.
//!
//! A row reads
//!
//! ```text
//! /// What the command does.
//! Name = [CLA INS P1 P2] Request => Response, in [STATES], status [WORDS], "source";
//! ```
//!
//! `*` in place of P1 or P2 means that the first byte of the request travels
//! there instead of in the data field.

use core::fmt;

use crate::apdu::Apdu;
use crate::form::Form;
use crate::life_cycle::LifeCycle;
use crate::status::StatusWord;
use crate::wire::{Element, Malformed, Reader, Writer};

/// Longest data field of a command or response: commands carry at most 255 bytes.
pub const DATA_MAX: usize = 255;

/// One field of a [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name, as in the code.
    pub name: &'static str,
    /// Least length in bytes.
    pub min: usize,
    /// Greatest length in bytes.
    pub max: usize,
    /// What it is, with its unit.
    pub doc: &'static str,
    /// What it is made of.
    pub form: Form,
}

/// Receives the fields of a value one by one, for printing.
pub type Visitor<'v> = &'v mut dyn FnMut(&'static str, &dyn fmt::Debug);

/// A group of fields whose list is known.
pub trait Layout: Element {
    /// Name, as in the code.
    const NAME: &'static str;
    /// The fields in wire order.
    const FIELDS: &'static [Field];

    /// Shows each field. Key and PIN elements print their length only.
    fn visit(&self, visitor: Visitor<'_>);
}

impl Layout for () {
    const NAME: &'static str = "nothing";
    const FIELDS: &'static [Field] = &[];
    fn visit(&self, _: Visitor<'_>) {}
}

/// The shape of a request or response, and what can be done with its bytes
/// without naming its type.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Name of the layout.
    pub name: &'static str,
    /// Least length in bytes.
    pub min: usize,
    /// Greatest length in bytes.
    pub max: usize,
    /// The fields in wire order.
    pub fields: &'static [Field],
    /// Decodes and shows the fields.
    pub visit: fn(&[u8], Visitor<'_>) -> Result<(), Malformed>,
    /// Decodes and encodes again into the second slice; returns the length.
    pub recode: fn(&[u8], &mut [u8]) -> Result<usize, Malformed>,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}..={} bytes)", self.name, self.min, self.max)
    }
}

impl Shape {
    /// The shape of `L`.
    #[must_use]
    pub const fn of<L: Layout>() -> Self {
        Self {
            name: L::NAME,
            min: L::MIN,
            max: L::MAX,
            fields: L::FIELDS,
            visit: |bytes, visitor| {
                L::from_bytes(bytes)?.visit(visitor);
                Ok(())
            },
            recode: |bytes, buffer| L::from_bytes(bytes)?.to_slice(buffer).map(<[u8]>::len),
        }
    }
}

/// One row of the command table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The command set, that is the application.
    pub set: &'static str,
    /// Name of the command.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// P1, or `None` where the request's first byte travels there.
    pub p1: Option<u8>,
    /// P2, or `None` where the request's next byte travels there.
    pub p2: Option<u8>,
    /// Shape of the request, bytes in P1-P2 included.
    pub request: Shape,
    /// Shape of the response.
    pub response: Shape,
    /// Life cycle states of the application in which it is served.
    pub states: &'static [LifeCycle],
    /// Status words it may answer besides the general ones.
    pub status: &'static [StatusWord],
    /// Standard and clause, or "project-defined".
    pub source: &'static str,
}

impl Row {
    /// How many bytes of the request travel in P1-P2.
    #[must_use]
    pub const fn in_header(&self) -> usize {
        self.p1.is_none() as usize + self.p2.is_none() as usize
    }

    /// Whether the header belongs to this row.
    #[must_use]
    pub fn matches(&self, apdu: &Apdu<'_>) -> bool {
        apdu.cla == self.cla && apdu.ins == self.ins && self.matches_parameters(apdu)
    }

    fn matches_parameters(&self, apdu: &Apdu<'_>) -> bool {
        self.p1.is_none_or(|p1| p1 == apdu.p1) && self.p2.is_none_or(|p2| p2 == apdu.p2)
    }

    /// The request's bytes in wire order: those in P1-P2, then the data field.
    pub fn body<'b>(&self, apdu: &Apdu<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
        let mut writer = Writer::new(buffer);
        if self.p1.is_none() {
            writer.put(&[apdu.p1]);
        }
        if self.p2.is_none() {
            writer.put(&[apdu.p2]);
        }
        writer.put(apdu.data);
        writer.finish()
    }

    /// The command APDU around the request's bytes: short form, Le 00 where an answer is expected.
    #[inline]
    pub fn frame<'b>(&self, body: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
        let mut body = Reader::new(body);
        let p1 = self.p1.map_or_else(|| body.byte(), Ok)?;
        let p2 = self.p2.map_or_else(|| body.byte(), Ok)?;
        let data = body.rest();
        let mut writer = Writer::new(buffer);
        writer.put(&[self.cla, self.ins, p1, p2]);
        if !data.is_empty() {
            writer.put(&[u8::try_from(data.len()).map_err(|_| Malformed)?]);
            writer.put(data);
        }
        if self.response.max > 0 {
            writer.put(&[0]);
        }
        writer.finish()
    }
}

/// Why no row of these sets took a header: the checks in the order of ISO/IEC 7816-4.
#[must_use]
pub fn refusal(sets: &[&[Row]], apdu: &Apdu<'_>) -> StatusWord {
    let rows = sets.iter().flat_map(|set| set.iter());
    let mut of_class = rows.filter(|row| row.cla == apdu.cla).peekable();
    if of_class.peek().is_none() {
        StatusWord::CLASS_NOT_SUPPORTED
    } else if of_class.any(|row| row.ins == apdu.ins) {
        StatusWord::WRONG_P1_P2
    } else {
        StatusWord::INSTRUCTION_NOT_SUPPORTED
    }
}

/// A command: its row and its types.
pub trait Command {
    /// What is asked.
    type Request: Layout;
    /// What is answered with status word 9000.
    type Response: Layout;
    /// Its row in the catalogue.
    const ROW: Row;

    /// Encodes the command APDU (short form, Le 00 where an answer is expected).
    fn encode<'b>(request: &Self::Request, buffer: &'b mut [u8]) -> Result<&'b [u8], Malformed> {
        let mut body = [0; DATA_MAX + 2];
        let body = request.to_slice(&mut body)?;
        Self::ROW.frame(body, buffer)
    }

    /// Decodes the request of an APDU whose header [matches](Row::matches).
    #[inline]
    fn decode(apdu: &Apdu<'_>) -> Result<Self::Request, StatusWord> {
        let length = apdu.data.len() + Self::ROW.in_header();
        if length < Self::Request::MIN || length > Self::Request::MAX {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if Self::ROW.in_header() == 0 {
            return Self::Request::from_bytes(apdu.data).map_err(|Malformed| StatusWord::WRONG_DATA);
        }
        // Most requests with bytes in the header are short, and a short buffer is soon cleared.
        let request = if Self::Request::MAX <= 32 {
            Self::ROW.body(apdu, &mut [0; 32]).and_then(Self::Request::from_bytes)
        } else {
            Self::ROW.body(apdu, &mut [0; DATA_MAX + 2]).and_then(Self::Request::from_bytes)
        };
        request.map_err(|Malformed| StatusWord::WRONG_DATA)
    }
}

/// A group of fields, in wire order. Makes the struct with its [`Element`] and
/// [`Layout`]; nested layouts are fields like any other.
#[macro_export]
macro_rules! layout {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($($derive:ident),*)])?
        pub struct $name:ident { $( $(#[doc = $field_doc:literal])* $field:ident: $ty:ty, )* }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Eq, Debug $($(, $derive)*)?)]
        pub struct $name { $( $(#[doc = $field_doc])* pub $field: $ty, )* }

        impl $crate::wire::Element for $name {
            const MIN: usize = 0 $(+ <$ty as $crate::wire::Element>::MIN)*;
            const MAX: usize = 0 $(+ <$ty as $crate::wire::Element>::MAX)*;
            const FORM: $crate::form::Form =
                $crate::form::Form::Group(<Self as $crate::declare::Layout>::FIELDS);
            #[inline]
            fn encode(&self, writer: &mut $crate::wire::Writer<'_>) {
                let encode = |writer: &mut $crate::wire::Writer<'_>| {
                    $( $crate::wire::Element::encode(&self.$field, writer); )*
                };
                if Self::MIN == Self::MAX { writer.chunk(Self::MAX, encode) } else { encode(writer) }
            }
            #[inline]
            fn decode(
                reader: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::Malformed> {
                let decode = |reader: &mut $crate::wire::Reader<'_>| {
                    $( let $field = $crate::wire::Element::decode(reader)?; )*
                    Ok(Self { $( $field, )* })
                };
                if Self::MIN == Self::MAX {
                    decode(&mut $crate::wire::Reader::new(reader.take(Self::MAX)?))
                } else {
                    decode(reader)
                }
            }
        }

        impl $crate::declare::Layout for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::declare::Field] = &[ $( $crate::declare::Field {
                name: stringify!($field),
                min: <$ty as $crate::wire::Element>::MIN,
                max: <$ty as $crate::wire::Element>::MAX,
                doc: concat!($($field_doc),*).trim_ascii(),
                form: <$ty as $crate::wire::Element>::FORM,
            }, )* ];
            fn visit(&self, visitor: $crate::declare::Visitor<'_>) {
                $( visitor(stringify!($field), &self.$field); )*
            }
        }
    };
}

/// The commands of one application: an enum of decoded requests, one marker type
/// and catalogue row a command.
#[macro_export]
macro_rules! command_set {
    (
        $(#[doc = $set_doc:literal])*
        pub enum $set:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident = [$cla:literal $ins:literal $p1:tt $p2:tt] $request:ty => $response:ty,
                    in [$($state:ident),*], status [$($status:ident),*], $source:literal;
            )*
        }
    ) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl $crate::declare::Command for $name {
                type Request = $request;
                type Response = $response;
                const ROW: $crate::declare::Row = $crate::declare::Row {
                    set: stringify!($set),
                    name: stringify!($name),
                    doc: concat!($($doc),*).trim_ascii(),
                    cla: $cla,
                    ins: $ins,
                    p1: $crate::parameter!($p1),
                    p2: $crate::parameter!($p2),
                    request: $crate::declare::Shape::of::<$request>(),
                    response: $crate::declare::Shape::of::<$response>(),
                    states: &[$($crate::life_cycle::LifeCycle::$state),*],
                    status: &[$($crate::status::StatusWord::$status),*],
                    source: $source,
                };
            }
        )*

        $(#[doc = $set_doc])*
        #[derive(Clone, Debug)]
        pub enum $set {
            $( $(#[doc = $doc])* $name($request), )*
        }

        impl $set {
            /// The rows of this set.
            pub const ROWS: &'static [$crate::declare::Row] =
                &[ $( <$name as $crate::declare::Command>::ROW, )* ];

            /// The decoded command, where the header is of this set. The life cycle
            /// gate comes first, then length and data; where no set takes the header,
            /// [`refusal`]($crate::declare::refusal) says why.
            #[must_use]
            pub fn decode(
                apdu: &$crate::apdu::Apdu<'_>,
                state: $crate::life_cycle::LifeCycle,
            ) -> Option<Result<Self, $crate::status::StatusWord>> {
                use $crate::declare::Command as _;
                $(
                    if $name::ROW.matches(apdu) {
                        return Some(if $name::ROW.states.contains(&state) {
                            $name::decode(apdu).map(Self::$name)
                        } else {
                            Err($crate::status::StatusWord::CONDITIONS_NOT_SATISFIED)
                        });
                    }
                )*
                None
            }
        }
    };
}

/// P1 or P2 of a row: a byte, or `*` for the request's next byte.
#[doc(hidden)]
#[macro_export]
macro_rules! parameter {
    (*) => {
        None
    };
    ($byte:literal) => {
        Some($byte)
    };
}
