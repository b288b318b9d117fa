//! What each MAC covers, declared once. Purse, PSAM and background system build
//! these inputs and nothing else; the MAC itself is made by
//! [`MacKey::sign`](crate::crypto::mac::MacKey::sign).
//!
//! Every input begins with the [`Heading`], so that a MAC of one name, type of
//! transaction or key is never valid as another.

use crate::element::{
    Amount, Balance, BatchNumber, Counter, KeyReference, Kind, Mac, SamCounter, SamId, Search,
};
use crate::record::{BatchRecord, Counterpart, LogEntry, Order, Statement};
use crate::wire::Element;
use crate::{code, layout};

code! {
    /// Names of the MACs.
    pub enum Name: u8 {
        /// Purse to counterpart: its statement.
        S1 = 0x01,
        /// Counterpart to purse: the order.
        S2 = 0x02,
        /// Purse to counterpart: done.
        S3 = 0x03,
        /// PSAM to background: a batch.
        S4 = 0x04,
        /// PSAM to background: a record.
        S5 = 0x05,
        /// Purse to its issuer: a value commit.
        S6 = 0x06,
        /// Purse to whoever asks for a previous signature.
        Previous = 0x07,
        /// Background to PSAM: a batch is stored.
        Acknowledgement = 0x08,
        /// Background to transfer card: what it may forget.
        Release = 0x09,
        /// Commitment to the secret that cancels a purchase.
        Commitment = 0x0A,
        /// Load terminal to background: a request ([`online`](crate::online)).
        Request = 0x11,
        /// Background to load terminal: what became of its request.
        Answer = 0x12,
        /// PSAM to background: one link of the chain over the records of a batch.
        Chain = 0x14,
    }
}

layout! {
    /// What every input begins with: 5 bytes. The layout of the rest is in the key's algorithm.
    #[derive(Copy)]
    pub struct Heading {
        /// Name of the MAC.
        name: Name,
        /// Type of transaction.
        kind: Kind,
        /// Key.
        key: KeyReference,
    }
}

impl Heading {
    /// The heading of a MAC.
    #[must_use]
    pub const fn new(name: Name, kind: Kind, key: KeyReference) -> Self {
        Self { name, kind, key }
    }
}

layout! {
    /// S1: the purse's statement to its counterpart.
    #[derive(Copy)]
    pub struct S1 {
        /// Heading.
        heading: Heading,
        /// The statement.
        statement: Statement,
        /// Who asked, with its challenge.
        counterpart: Counterpart,
        /// Amount of a load or unload; zero for a purchase, whose amount is not known yet.
        amount: Amount,
    }
}

layout! {
    /// S2: the counterpart's order.
    #[derive(Copy)]
    pub struct S2 {
        /// Heading.
        heading: Heading,
        /// The statement it answers.
        s1: Mac,
        /// Acquirer and SAM.
        sam: SamId,
        /// The order.
        order: Order,
    }
}

layout! {
    /// S6: the purse's word to its issuer, made at every value commit.
    #[derive(Copy)]
    pub struct S6 {
        /// Heading; its key is the one of S1 and S2.
        heading: Heading,
        /// Statement before the commit.
        statement: Statement,
        /// Who ordered.
        counterpart: Counterpart,
        /// What was ordered.
        order: Order,
        /// S2.
        s2: Mac,
        /// Balance after the commit.
        balance: Balance,
        /// NV of the commit.
        nv: Counter,
    }
}

layout! {
    /// S3: the purse's word to its counterpart that the order is carried out.
    #[derive(Copy)]
    pub struct S3 {
        /// Heading.
        heading: Heading,
        /// The order.
        s2: Mac,
        /// The word to the issuer.
        s6: Mac,
    }
}

layout! {
    /// Answer to GET PREVIOUS IEP SIGNATURE.
    #[derive(Copy)]
    pub struct Previous {
        /// Heading.
        heading: Heading,
        /// Who asks, with a fresh challenge.
        counterpart: Counterpart,
        /// By which number it was asked.
        by: Search,
        /// The number asked for.
        asked: Counter,
        /// 01 where a receipt follows, 00 where there is none.
        found: u8,
        /// The purse, where it stands now.
        statement: Statement,
        /// The receipt, or zeros.
        receipt: [u8; LogEntry::MAX],
    }
}

layout! {
    /// S5: a whole record, its batch number included.
    #[derive(Copy)]
    pub struct S5 {
        /// Heading.
        heading: Heading,
        /// The record with its own S5 zero.
        record: BatchRecord,
    }
}

layout! {
    /// Commitment to the secret that cancels a purchase. The key is the secret.
    #[derive(Copy)]
    pub struct Commitment {
        /// Heading.
        heading: Heading,
        /// The purchase's statement.
        statement: Statement,
        /// The PSAM.
        sam: SamId,
        /// Its number of the purchase.
        nt: SamCounter,
        /// The amount.
        amount: Amount,
    }
}

layout! {
    /// One link of the chain over the records of a batch. Its MAC is the next
    /// link; the first link is zero.
    #[derive(Copy)]
    pub struct ChainLink {
        /// Heading.
        heading: Heading,
        /// The batch.
        batch: BatchNumber,
        /// The link before.
        previous: Mac,
        /// S5 of the record.
        s5: Mac,
    }
}

/// Longest input of all, in bytes: the size of the buffer that they are built in.
pub const INPUT_MAX: usize = 176;

const _: () = {
    assert!(S1::MAX == 74 && S2::MAX == 42 && S6::MAX == 108 && S3::MAX == 21);
    assert!(Previous::MAX <= INPUT_MAX && S5::MAX <= INPUT_MAX);
};
