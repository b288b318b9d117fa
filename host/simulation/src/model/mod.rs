//! The whole system without keys, bytes, messages, time or limits of memory: what the
//! design (sections 6 and 9) says of value, and nothing else. The oracle of every layer.
//!
//! A driver tells it what happened ([`Event`]), each at the moment when it is committed.
//! What the design forbids is [`Refused`] and changes nothing ([`rules`]); so a system that
//! lies, or does what it must not, is found at that step. [`oracle`] answers for value: the
//! money equation, completeness, and whether a line of some ledger stands for a true event.
//!
//! Purses and PSAMs count from 0 in the order of their issue; NT, NV and batches from 1, as
//! on the cards. One issuer, one currency, no offline loads.

#![allow(missing_docs)] // what a field or variant means stands beside it

pub mod oracle;
pub mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// Minor units.
pub type Minor = i64;
/// A value commit: purse and NV.
pub type Commit = (usize, u32);
/// A session: purse and NT.
pub type Session = (usize, u32);
/// A purchase as its PSAM counts: PSAM and NT_PSAM.
pub type Purchase = (usize, u32);

/// What happens in the world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    // The purse.
    PurseIssued { maximum: Minor, overdraft: Minor },
    SessionOpened { purse: usize }, // INITIALIZE IEP: NT is used up, S1 leaves; an older session is over
    SessionEnded { purse: usize },  // GET PREVIOUS, a refused order, SELECT, loss of power
    Transferred { purse: usize },   // CREDIT IEP or DEBIT IEP: the load or unload of its session
    Debited { purse: usize },       // DEBIT IEP: the purchase of its session
    Cancelled { purse: usize },     // CREDIT IEP for Cancellation: the purchase right before
    PurseDestroyed { purse: usize }, // nobody will ever read it again
    // The PSAM.
    SamInstalled,
    PurchaseOpened { sam: usize, session: Session, amount: Minor, freed: u32 }, // S1 is good, S2 leaves
    Credited { purchase: Purchase },                                            // CREDIT PSAM: S3 is good
    Completed { purchase: Purchase }, // PSAM COMPLETE: the purse says: never debited
    Claimed { purchase: Purchase },   // nothing came back
    ReceiptStored { sam: usize, commit: Commit }, // PSAM STORE RECEIPT, of any value commit
    Voided { purchase: Purchase },    // PSAM CANCEL PURCHASE: the secret leaves (again)
    BatchClosed { sam: usize },       // what is still open becomes a claim
    Acknowledged { sam: usize, batch: u32 }, // the PSAM forgets it, on the word that it is stored
    SamDestroyed { sam: usize },      // nobody will read it again; copies of its closed batches may exist
    // The background system.
    Authorised { session: Session, kind: Kind, amount: Minor, approved: bool, freed: u32 }, // S2 leaves (again)
    Reported { commit: Commit }, // S6 of a load or unload comes in from its terminal (again)
    Concluded { session: Session, moved: bool }, // what a later word of the purse says of a transfer
    BatchArrived { sam: usize, batch: u32 }, // a closed batch is stored (again)
    ClaimClosed { purchase: Purchase }, // as never debited
    Settled { commit: Commit },  // the merchant is paid
    Hotlisted { purse: usize },  // its purchases opened from now on are exceptions
    Refunded { purse: usize },   // the shadow balance of a dead purse is paid to its holder
}

/// Why something must not have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    Unknown,      // no such purse, PSAM, session, purchase, batch or transfer
    Dead,         // the card does not exist any more
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
    pub transfers: BTreeMap<Session, Transfer>, // loads and unloads as the issuer has them
}

/// A purse.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Purse {
    pub dead: bool,
    pub hotlisted: bool,         // its next purchases are exceptions
    pub refunded: Option<Minor>, // it is dead, and this was paid out
    pub range: (Minor, Minor),   // least and greatest balance
    pub balance: Minor,          // signed
    pub nt: u32,                 // sessions so far
    pub in_session: bool,        // the last one can still commit
    pub order: Option<Purchase>, // what was ordered in it
    pub log: Vec<Entry>,         // all value commits, by NV from 1
}

/// A value commit, and what the background system knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    pub kind: Kind,
    pub nt: u32, // session; a cancellation repeats that of its purchase
    pub amount: Minor,
    pub purchase: Option<Purchase>, // where it is one or takes one back
    pub freed: u32,                 // up to this NV, the purse has given up its receipts
    pub known: bool,                // evidence has come in
    pub voided: bool,               // with it, that the PSAM has voided it
    pub settled: bool,              // the merchant has got it
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    Load,
    Unload,
    Purchase,
    Cancellation,
}

/// A load or unload as the issuer has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transfer {
    pub kind: Kind,
    pub amount: Minor,
    pub freed: u32, // up to this NV, the issuer has taken over receipts
    pub state: TransferState,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransferState {
    Refused,
    Pending,  // S2 has left
    Done,     // the purse has done it
    Reversed, // it has not and never will
}

/// A PSAM.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sam {
    pub dead: bool,
    pub openings: Vec<Opening>, // all purchases, by NT_PSAM from 1
    pub batches: Vec<Batch>,    // from 1; the last one is open
}

/// A purchase in its PSAM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Opening {
    pub session: Session,
    pub amount: Minor,
    pub freed: u32, // up to this NV, the PSAM has taken over receipts
    pub outcome: Outcome,
    pub barred: bool, // opened after the purse was hotlisted
    pub claim: bool,  // the background system has been asked for it without evidence
}

/// What a PSAM says of its purchase.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    Open,
    Credited,   // paid, with the purse's word
    NotDebited, // never, with the purse's word
    Unresolved, // nothing came back: a claim
    Voided,     // paid and voided
}

/// What a PSAM hands in together; empty once acknowledged.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Batch {
    pub records: Vec<Record>,
    pub stored: bool, // by the background system
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Record {
    Own(u32, Outcome, Option<Commit>), // a purchase of its own, and the value commit where the purse has said so
    Receipt(Commit),                   // somebody's value commit, taken over from the purse
}
