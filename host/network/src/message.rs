//! What terminals and background systems say to each other.
//!
//! A message is `version (1) | type (1) | fields`. Fields are the elements of
//! `apdu_spec`; lists and texts stand behind a four-byte count. Bytes that are
//! left over are an error. A version is never changed once it has been released:
//! new types get new type bytes, changed fields a new version.

use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::element::{Amount, Counter, Kind, Time};
use apdu_spec::purse::{Execute, Initialized, PreviousSignature};
use apdu_spec::record::{BatchRecord, Counterpart, ValueRecord};
use apdu_spec::{Element, Malformed, Reader};

use crate::codec::{put, put_list, put_text, take_bool, take_list, take_text};
use crate::error::Error;

/// The version that is spoken here.
pub const VERSION: u8 = 1;

apdu_spec::code! {
    /// Where the money of a load comes from, or that of an unload goes to.
    pub enum Funding: u8 {
        /// The holder's account.
        Account = 0x01,
        /// Cash at the terminal.
        Cash = 0x02,
        /// The operator: a refund or another credit.
        Operator = 0x03,
    }
}

apdu_spec::code! {
    /// Why a request was not carried out.
    pub enum RejectionCode: u8 {
        /// The bytes are no message of this version.
        Malformed = 0x01,
        /// The terminal, module or purse is not registered.
        Unknown = 0x02,
        /// A key that is not there, or a MAC that is wrong.
        WrongMac = 0x03,
        /// Contradicts what was handed in before under the same number.
        Conflict = 0x04,
        /// A batch that is not whole.
        BadBatch = 0x05,
        /// Not now; the same request may be repeated.
        Unavailable = 0x06,
    }
}

apdu_spec::layout! {
    /// Asks the issuer for a load or unload.
    #[derive(Copy)]
    pub struct TransferRequest {
        /// Load or unload.
        kind: Kind,
        /// Where the money comes from or goes to.
        funding: Funding,
        /// What the purse answered to INITIALIZE IEP.
        initialized: Initialized,
        /// The terminal, with the challenge that the purse answered.
        counterpart: Counterpart,
        /// Amount, minor units.
        amount: Amount,
        /// The terminal's clock: the time that purse and receipt will show.
        time: Time,
    }
}

apdu_spec::layout! {
    /// Hands in what a purse says became of an earlier load or unload.
    #[derive(Copy)]
    pub struct ResolveRequest {
        /// Who asked the purse, with its fresh challenge.
        counterpart: Counterpart,
        /// The purse's answer to GET PREVIOUS IEP SIGNATURE by NT, group 00.
        previous: PreviousSignature,
        /// The NT that was asked for.
        nt: Counter,
    }
}

/// A batch of a security module: its trailer and its records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The trailer, under S4.
    pub trailer: Trailer,
    /// The records, each under S5, in order of their index.
    pub records: Vec<BatchRecord>,
}

impl Batch {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put(out, &self.trailer);
        put_list(out, &self.records);
    }

    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { trailer: Trailer::decode(reader)?, records: take_list(reader)? })
    }
}

/// Why a request was not carried out. Nothing was booked for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// For the program.
    pub code: RejectionCode,
    /// For the person.
    pub text: String,
}

/// From the terminal to the background system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Asks for a load or unload; answered by [`Response::Decision`].
    AuthoriseTransfer(TransferRequest),
    /// Proof (S3, S6) that a load or unload was carried out; [`Response::Accepted`].
    CompleteTransfer(ValueRecord),
    /// What became of a load or unload that was in doubt; [`Response::Resolved`].
    ResolveTransfer(ResolveRequest),
    /// Hands in a batch; [`Response::Acknowledged`].
    SubmitBatch(Batch),
}

/// From the background system to the terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// The issuer's order under S2; a refusal is an order as well.
    Decision(Execute),
    /// Stored.
    Accepted,
    /// Whether the transfer moved value.
    Resolved(bool),
    /// The batch is stored; the module may forget it.
    Acknowledged(Acknowledgement),
    /// Not carried out.
    Rejected(Rejection),
}

impl Request {
    /// The bytes of this message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::AuthoriseTransfer(request) => put_typed(&mut out, 0x01, request),
            Self::CompleteTransfer(record) => put_typed(&mut out, 0x02, record),
            Self::ResolveTransfer(request) => put_typed(&mut out, 0x03, request),
            Self::SubmitBatch(batch) => {
                out.push(0x04);
                batch.put(&mut out);
            }
        }
        out
    }

    /// The message in `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes, |kind, reader| {
            Ok(match kind {
                0x01 => Self::AuthoriseTransfer(transfer_request(reader)?),
                0x02 => Self::CompleteTransfer(ValueRecord::decode(reader)?),
                0x03 => Self::ResolveTransfer(ResolveRequest::decode(reader)?),
                0x04 => Self::SubmitBatch(Batch::take(reader)?),
                _ => return Err(Malformed),
            })
        })
    }
}

impl Response {
    /// The bytes of this message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::Decision(execute) => put_typed(&mut out, 0x81, execute),
            Self::Accepted => put_typed(&mut out, 0x82, &()),
            Self::Resolved(credited) => put_typed(&mut out, 0x83, &u8::from(*credited)),
            Self::Acknowledged(acknowledgement) => put_typed(&mut out, 0x84, acknowledgement),
            Self::Rejected(rejection) => {
                put_typed(&mut out, 0x8F, &rejection.code);
                put_text(&mut out, &rejection.text);
            }
        }
        out
    }

    /// The message in `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes, |kind, reader| {
            Ok(match kind {
                0x81 => Self::Decision(Execute::decode(reader)?),
                0x82 => Self::Accepted,
                0x83 => Self::Resolved(take_bool(reader)?),
                0x84 => Self::Acknowledged(Acknowledgement::decode(reader)?),
                0x8F => Self::Rejected(Rejection {
                    code: RejectionCode::decode(reader)?,
                    text: take_text(reader)?,
                }),
                _ => return Err(Malformed),
            })
        })
    }

    /// What this answer is, in a word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Decision(_) => "a decision",
            Self::Accepted => "accepted",
            Self::Resolved(_) => "resolved",
            Self::Acknowledged(_) => "an acknowledgement",
            Self::Rejected(_) => "a rejection",
        }
    }
}

fn put_typed<E: Element>(out: &mut Vec<u8>, kind: u8, element: &E) {
    out.push(kind);
    put(out, element);
}

/// Only loads and unloads are asked of the issuer.
fn transfer_request(reader: &mut Reader<'_>) -> Result<TransferRequest, Malformed> {
    let request = TransferRequest::decode(reader)?;
    match request.kind {
        Kind::Load | Kind::Unload => Ok(request),
        Kind::Purchase | Kind::Cancellation | Kind::Recovery => Err(Malformed),
    }
}

/// Checks version and end of a message; `fields` reads what its type asks for.
fn read<M>(
    bytes: &[u8],
    fields: impl FnOnce(u8, &mut Reader<'_>) -> Result<M, Malformed>,
) -> Result<M, Error> {
    let mut reader = Reader::new(bytes);
    let found = reader.byte()?;
    if found != VERSION {
        return Err(Error::Version { found, expected: VERSION });
    }
    let kind = reader.byte()?;
    let message = fields(kind, &mut reader)?;
    reader.finish()?;
    Ok(message)
}
