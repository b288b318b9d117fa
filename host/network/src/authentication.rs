//! The line between a load terminal and the background system, under MACs both ways
//! ([`apdu_spec::online`]).
//!
//! A request that is replayed is harmless, and so has no counter: the same request gets what
//! was decided for it, moves no value twice, and its answer belongs to it alone. A rejection
//! is under no MAC, because it may be given before there is a key to check.

use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Kind, Mac};
use apdu_spec::online::{Message, Subject};
use apdu_spec::record::ValueRecord;
use apdu_spec::{Element, Malformed, Reader};

use crate::message::{Acceptance, Decision, Resolution, ResolveRequest, TransferRequest, VERSION};

/// What a load terminal asks.
pub trait Question: Element + Copy {
    /// Type of the message.
    const CODE: u8;
    /// What it is answered with.
    type Answer: Answer;

    /// Type of the transaction.
    fn kind(&self) -> Kind;

    /// What it is about. The terminal that asks is the one that the purse has met.
    fn subject(&self) -> Subject;
}

/// What a load terminal is answered.
pub trait Answer: Element + Copy {
    /// Type of the message.
    const CODE: u8;
}

impl Question for TransferRequest {
    const CODE: u8 = 0x01;
    type Answer = Decision;

    fn kind(&self) -> Kind {
        self.kind
    }

    fn subject(&self) -> Subject {
        let statement = &self.initialized.statement;
        let (iep, nt) = (statement.identity.iep, statement.position.nt);
        Subject { terminal: self.counterpart.sam, iep, nt, s6: Mac::default() }
    }
}

impl Question for ValueRecord {
    const CODE: u8 = 0x02;
    type Answer = Acceptance;

    fn kind(&self) -> Kind {
        self.entry.kind
    }

    fn subject(&self) -> Subject {
        let (iep, entry) = (self.identity.iep, &self.entry);
        Subject { terminal: entry.counterpart.sam, iep, nt: entry.position.nt, s6: entry.s6 }
    }
}

impl Question for ResolveRequest {
    const CODE: u8 = 0x03;
    type Answer = Resolution;

    fn kind(&self) -> Kind {
        Kind::Recovery
    }

    fn subject(&self) -> Subject {
        let receipt = self.previous.to_receipt().ok().flatten();
        let s6 = receipt.map_or_else(Mac::default, |entry| entry.s6);
        let iep = self.previous.statement.identity.iep;
        Subject { terminal: self.counterpart.sam, iep, nt: self.nt, s6 }
    }
}

impl Answer for Decision {
    const CODE: u8 = 0x81;
}

impl Answer for Acceptance {
    const CODE: u8 = 0x82;
}

impl Answer for Resolution {
    const CODE: u8 = 0x83;
}

/// The fields of a message, and the MAC over them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signed<F> {
    /// The fields. Nobody has checked them yet.
    pub fields: F,
    /// Under the key of the terminal's line.
    pub mac: Mac,
}

impl<F: Element> Signed<F> {
    pub(crate) fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { fields: F::decode(reader)?, mac: Mac::decode(reader)? })
    }
}

impl<Q: Question> Signed<Q> {
    /// What the terminal that has this key asks.
    #[must_use]
    pub fn by(key: &OnlineKey, fields: Q) -> Self {
        Self { fields, mac: request_mac(key, &fields) }
    }

    /// Whether the terminal that has this key asks that.
    #[must_use]
    pub fn is_by(&self, key: &OnlineKey) -> bool {
        self.mac == request_mac(key, &self.fields)
    }

    /// What it is answered by who has this key as well.
    #[must_use]
    pub fn answer(&self, key: &OnlineKey, fields: Q::Answer) -> Signed<Q::Answer> {
        Signed { fields, mac: self.answer_mac(key, &fields) }
    }

    /// The fields of an answer, where it is under this key and answers this question.
    #[must_use]
    pub fn answered(&self, key: &OnlineKey, answer: &Signed<Q::Answer>) -> Option<Q::Answer> {
        (answer.mac == self.answer_mac(key, &answer.fields)).then_some(answer.fields)
    }

    fn answer_mac(&self, key: &OnlineKey, fields: &Q::Answer) -> Mac {
        let about = (self.fields.subject(), self.mac);
        key.answer(self.fields.kind(), about, message(Q::Answer::CODE), fields)
    }
}

fn request_mac<Q: Question>(key: &OnlineKey, fields: &Q) -> Mac {
    key.request(fields.kind(), message(Q::CODE), fields)
}

const fn message(code: u8) -> Message {
    Message { version: VERSION, code }
}
