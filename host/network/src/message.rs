//! What terminals and background systems say to each other.
//!
//! A message is `version (1) | type (1) | fields`. Fields are the elements of
//! `apdu_spec`; lists and texts stand behind a four-byte count. Bytes that are
//! left over are an error. A version is never changed once it has been released:
//! new types get new type bytes, changed fields a new version.

use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::element::{Amount, Counter, Kind, Random, Time};
use apdu_spec::purse::{Execute, Initialized, PreviousSignature};
use apdu_spec::record::{BatchRecord, Counterpart, ValueRecord};
use apdu_spec::{Element, Malformed, Reader};

use crate::authentication::{Answer, Question, Signed};
use crate::codec::{put, put_list, put_text, take_list, take_text};
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
        /// The operator: a credit.
        Operator = 0x03,
        /// What the issuer owes the holder for a voided purchase, of exactly this amount.
        Refund = 0x04,
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
        /// The terminal may not do that.
        NotPermitted = 0x07,
        /// More than one person has to agree to it first.
        ApprovalNeeded = 0x08,
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

apdu_spec::code! {
    /// What became of a load or unload.
    pub enum Fate: u8 {
        /// It moved no value, and never will.
        NotMoved = 0x00,
        /// It took place.
        Moved = 0x01,
    }
}

apdu_spec::layout! {
    /// The issuer has decided; a refusal is an order as well.
    #[derive(Copy)]
    pub struct Decision {
        /// The order under S2, for the purse.
        execute: Execute,
        /// The issuer's clock.
        time: Time,
    }
}

apdu_spec::layout! {
    /// S3 and S6 are good, and what they prove is booked.
    #[derive(Copy)]
    pub struct Acceptance {
        /// The issuer's clock.
        time: Time,
    }
}

apdu_spec::layout! {
    /// What became of the load or unload of a session.
    #[derive(Copy)]
    pub struct Resolution {
        /// What.
        fate: Fate,
        /// Challenge of the terminal in that session, so that it knows its own; zero where
        /// nothing was authorised in it.
        challenge: Random,
        /// The issuer's clock.
        time: Time,
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
    AuthoriseTransfer(Signed<TransferRequest>),
    /// Proof (S3, S6) that a load or unload was carried out; [`Response::Accepted`].
    CompleteTransfer(Signed<ValueRecord>),
    /// What became of a load or unload that was in doubt; [`Response::Resolved`].
    ResolveTransfer(Signed<ResolveRequest>),
    /// Hands in a batch; [`Response::Acknowledged`].
    SubmitBatch(Batch),
}

/// From the background system to the terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// The issuer's decision.
    Decision(Signed<Decision>),
    /// The proof is good and booked.
    Accepted(Signed<Acceptance>),
    /// Whether the transfer moved value.
    Resolved(Signed<Resolution>),
    /// The batch is stored; the module may forget it.
    Acknowledged(Acknowledgement),
    /// Not carried out. Under no MAC: nothing may be concluded about value.
    Rejected(Rejection),
}

impl Request {
    /// The bytes of this message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::AuthoriseTransfer(request) => put_signed(&mut out, TransferRequest::CODE, request),
            Self::CompleteTransfer(record) => put_signed(&mut out, ValueRecord::CODE, record),
            Self::ResolveTransfer(request) => put_signed(&mut out, ResolveRequest::CODE, request),
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
                TransferRequest::CODE => Self::AuthoriseTransfer(transfer_request(reader)?),
                ValueRecord::CODE => Self::CompleteTransfer(Signed::take(reader)?),
                ResolveRequest::CODE => Self::ResolveTransfer(Signed::take(reader)?),
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
            Self::Decision(decision) => put_signed(&mut out, Decision::CODE, decision),
            Self::Accepted(acceptance) => put_signed(&mut out, Acceptance::CODE, acceptance),
            Self::Resolved(resolution) => put_signed(&mut out, Resolution::CODE, resolution),
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
                Decision::CODE => Self::Decision(Signed::take(reader)?),
                Acceptance::CODE => Self::Accepted(Signed::take(reader)?),
                Resolution::CODE => Self::Resolved(Signed::take(reader)?),
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
            Self::Accepted(_) => "accepted",
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

fn put_signed<F: Element>(out: &mut Vec<u8>, code: u8, signed: &Signed<F>) {
    put_typed(out, code, &signed.fields);
    put(out, &signed.mac);
}

/// Only loads and unloads are asked of the issuer.
fn transfer_request(reader: &mut Reader<'_>) -> Result<Signed<TransferRequest>, Malformed> {
    let request = Signed::<TransferRequest>::take(reader)?;
    match request.fields.kind {
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
