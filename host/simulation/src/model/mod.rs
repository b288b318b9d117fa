//! The whole system without keys, bytes, messages, time or limits of memory: what the
//! design (sections 6 and 9) says of value, and nothing else. The oracle of every layer.
//!
//! A driver tells it what happened ([`Event`]), each at the moment when it is committed.
//! What the design forbids is [`Refused`] and changes nothing ([`rules`]); so a system that
//! lies, or does what it must not, is found at that step. [`oracle`] answers for value: the
//! money equation, the ledger as it must be, and where each value commit is known.
//!
//! Purses and PSAMs count from 0 in the order of their issue; NT, NV and batches from 1, as
//! on the cards. One issuer, one currency, no offline loads, no hotlist; settlement and what
//! is paid for dead purses are left to the books, since no value commit follows from them.

#![allow(missing_docs)] // what a field or variant means stands beside it

pub mod oracle;
pub mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

/// Minor units.
pub type Minor = i64;
/// A value commit: purse and NV.
pub type Commit = (usize, usize);
/// A session: purse and NT.
pub type Session = (usize, usize);
/// A purchase as its PSAM counts: PSAM and NT_PSAM.
pub type Purchase = (usize, usize);

/// What happens in the world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    // The purse.
    PurseIssued { range: (Minor, Minor) }, // least and greatest balance
    SessionOpened { purse: usize }, // INITIALIZE IEP: NT is used up, S1 leaves; an older session is over
    SessionEnded { purse: usize },  // GET PREVIOUS, a refused order, SELECT, loss of power
    Executed { purse: usize },      // CREDIT IEP or DEBIT IEP: the load, unload or purchase of its session
    Cancelled { purse: usize },     // CREDIT IEP for Cancellation: the purchase right before
    PurseDestroyed { purse: usize }, // nobody will ever read it again
    // The PSAM.
    SamInstalled,
    PurchaseOpened { sam: usize, session: Session, amount: Minor, freed: usize }, // S1 is good, S2 leaves
    Credited { purchase: Purchase },                                              // CREDIT PSAM: S3 is good
    Completed { purchase: Purchase }, // PSAM COMPLETE: the purse says: never debited; its number is free
    Claimed { purchase: Purchase },   // nothing came back, or nobody took the number that was free
    ReceiptStored { sam: usize, commit: Commit }, // PSAM STORE RECEIPT, of any value commit
    Voided { purchase: Purchase }, // PSAM CANCEL PURCHASE: the secret leaves (again); or RENOUNCE: it does not
    BatchClosed { sam: usize },    // what is still open becomes a claim
    Acknowledged { sam: usize, batch: usize }, // the PSAM forgets it, on the word that it is stored
    SamDestroyed { sam: usize },   // nobody will read it again; copies of its closed batches may exist
    // The background system.
    Authorised { session: Session, kind: Kind, amount: Minor, approved: bool, freed: usize }, // S2 leaves (again)
    Reported { commit: Commit }, // S6 of a load or unload comes in from its terminal (again)
    Concluded { session: Session, moved: bool }, // what a later word of the purse says of a transfer
    BatchArrived { sam: usize, batch: usize }, // a closed batch is stored (again)
}

/// Why something must not have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    Unknown,      // no such card any more, session, purchase, batch or transfer
    NoSession,    // the session is over, or has no order
    OutOfBounds,  // a balance would leave its range
    Conflict,     // something else was done under this name before
    Untrue,       // it states what is not so
    EvidenceLost, // the last evidence of a value commit would be forgotten
}

/// The system.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Model {
    pub purses: Vec<Purse>,
    pub sams: Vec<Sam>,
    pub transfers: BTreeMap<Session, Ordered>, // loads and unloads
}

/// A purse.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Purse {
    pub dead: bool,
    pub range: (Minor, Minor), // least and greatest balance
    pub balance: Minor,        // signed
    pub shadow: Minor,         // the balance as the issuer knows it
    pub nt: usize,             // sessions so far
    pub stated: Vec<usize>,    // NV that each of them stated
    pub in_session: bool,      // the last one can still commit
    pub order: Option<Order>,  // what was ordered in it
    pub log: Vec<Entry>,       // all value commits, by NV from 1
}

/// What a purse is to do, or has done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Order {
    pub kind: Kind,
    pub amount: Minor,
    pub freed: usize,               // up to this NV, the purse may give up its receipts
    pub purchase: Option<Purchase>, // where it is one or takes one back
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    Load,
    Unload,
    Purchase,
    Cancellation,
}

/// A value commit, and what the background system knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    pub order: Order,
    pub nt: usize,   // session; a cancellation repeats that of its purchase
    pub known: bool, // evidence has come in
}

/// An order as who gave it keeps it: a PSAM a purchase, the issuer a load or unload.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ordered {
    pub session: Session,
    pub order: Order,
    pub outcome: Outcome,
}

/// What has become of an order, as who gave it knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    Refused, // by the issuer: an order to do nothing
    Open,    // S2 has left
    Done,    // with the purse's word
    Vacant,  // with the purse's word: never done; at a PSAM another order takes the number
    Never,   // with the purse's word: it has not, and never will
    Claimed, // nothing came back to the PSAM
    Voided,  // voided by the PSAM, whether it was done or not
}

/// A PSAM.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sam {
    pub dead: bool,
    pub openings: Vec<Ordered>, // all purchases, by NT_PSAM from 1
    pub open: Batch,
    pub closed: Vec<Batch>, // from 1
    pub forgotten: usize,   // of these, the first ones, on the word that they are stored
}

/// What a PSAM hands in together.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Batch {
    pub first: usize,               // purchases opened before it
    pub evidence: BTreeSet<Commit>, // of purchases here, or taken over from purses
    pub stored: bool,               // by the background system
}
