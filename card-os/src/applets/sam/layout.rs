//! Where a PSAM keeps what: cells, logs, and the shapes of what is in them.

use apdu_spec::element::{
    Amount, Balance, BatchNumber, Counter, Currency, Date, IepId, KeyReference, Mac, Random, Time,
};
use apdu_spec::layout;
use apdu_spec::record::{Identity, Opening, Order, Outcome, Statement, Terms, ValueRecord};
use apdu_spec::wire::{Element, Malformed, Reader, Writer};

use crate::applets::compact::CompactPosition;
use crate::kernel::area::{Cell, Log};

/// Parameters (`SamParameters`).
pub(super) const PARAMETERS: Cell = Cell(0);
/// The open batch ([`OpenBatch`]).
pub(super) const OPEN_BATCH: Cell = Cell(1);
/// The closed batches ([`ClosedBatch`]), each in the cell of its number.
pub(super) const CLOSED: u8 = 2;
/// Least version of purchase keys.
pub(super) const KEY_FLOOR: Cell = Cell(6);
/// Payments opened ([`StoredOpening`]), numbered by NT_PSAM.
pub(super) const OPENINGS: Log = Log(0);
/// Entries of all batches ([`Stored`]).
pub(super) const ENTRIES: Log = Log(1);

/// Closed batches that may wait for their acknowledgement.
pub(super) const CLOSED_MAX: u32 = 4;
/// Purchases that may be open at once.
pub(super) const OPEN_MAX: usize = 8;
/// Purchases that one batch takes.
pub(super) const BATCH_MAX: u32 = 512;

/// Bytes of the entry of one outcome, in memory, and of a seal that a power-up may write.
pub(super) const OUTCOME_SIZE: usize = 48;
/// The same of an opening.
pub(super) const OPENING_SIZE: usize = 96;
/// Bytes that closing and acknowledging take besides the outcomes of open purchases, and
/// counting wrong MACs.
pub(super) const CLOSING_SIZE: usize = 736;

layout! {
    /// The batch that takes entries.
    #[derive(Copy)]
    pub struct OpenBatch {
        /// Its number, from 1.
        number: BatchNumber,
        /// Number of its first entry.
        first_entry: u32,
        /// NT_PSAM of the first purchase that it may open.
        first_nt: Counter,
        /// S4 of the batch before.
        previous: Mac,
    }
}

layout! {
    /// A batch that waits for its acknowledgement.
    pub struct ClosedBatch {
        /// As it was when it was open.
        open: OpenBatch,
        /// Its trailer.
        trailer: apdu_spec::batch::Trailer,
    }
}

layout! {
    /// An opening in memory: 67 bytes in most lives. Its number is NT_PSAM, its currency is
    /// the PSAM's.
    #[derive(Copy)]
    pub struct StoredOpening {
        /// Key of S1, S2 and S3.
        key: KeyReference,
        /// The purse.
        iep: IepId,
        /// Its last day.
        expiry: Date,
        /// Its greatest balance.
        maximum: Balance,
        /// Its NV.
        nv: Counter,
        /// Where it stood.
        position: CompactPosition,
        /// Challenge of the PSAM.
        challenge: Random,
        /// Amount.
        amount: Amount,
        /// When.
        time: Time,
        /// Receipts taken over.
        taken_over: Counter,
        /// Commitment.
        terms: Terms,
    }
}

impl From<&Opening> for StoredOpening {
    fn from(opening: &Opening) -> Self {
        let Opening { key, statement: Statement { identity, position }, challenge, order } = *opening;
        let Order { amount, time, taken_over, terms, .. } = order;
        let Identity { iep, expiry, maximum, .. } = identity;
        let (nv, position) = (position.nv, CompactPosition::new(position));
        Self { key, iep, expiry, maximum, nv, position, challenge, amount, time, taken_over, terms }
    }
}

impl StoredOpening {
    /// The opening of number `nt` at a PSAM of this currency.
    pub(super) const fn to_opening(self, nt: Counter, currency: Currency) -> Opening {
        let Self { key, iep, expiry, maximum, challenge, amount, time, taken_over, terms, .. } = self;
        let identity = Identity { iep, expiry, currency, maximum };
        let statement = Statement { identity, position: self.position.with_nv(self.nv) };
        Opening { key, statement, challenge, order: Order { amount, time, nt, taken_over, terms } }
    }
}

/// What became of one of our own openings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Own {
    /// NT_PSAM.
    pub nt: Counter,
    /// S3, or zero.
    pub s3: Mac,
    /// S6, or zero.
    pub s6: Mac,
}

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)] // there is no heap
pub(super) enum Content {
    /// The outcome of one of our openings, which has the rest of the record.
    Own(Own),
    /// A receipt that was taken over, whole.
    Receipt(ValueRecord),
}

/// An entry of a batch in memory: outcome (1), content (19 or 102), S5 (8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    /// What became of it.
    pub outcome: Outcome,
    /// Which payment.
    pub content: Content,
    /// MAC over the whole record.
    pub s5: Mac,
}

impl Stored {
    /// NT_PSAM, where it is one of our own.
    #[must_use]
    pub(super) const fn own_nt(&self) -> Option<Counter> {
        match self.content {
            Content::Own(own) => Some(own.nt),
            Content::Receipt(_) => None,
        }
    }
}

impl Element for Stored {
    const MIN: usize = 1 + 19 + Mac::MAX;
    const MAX: usize = 1 + ValueRecord::MAX + Mac::MAX;

    fn encode(&self, writer: &mut Writer<'_>) {
        self.outcome.encode(writer);
        match &self.content {
            Content::Own(own) => {
                own.nt.encode(writer);
                own.s3.encode(writer);
                own.s6.encode(writer);
            }
            Content::Receipt(value) => value.encode(writer),
        }
        self.s5.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let outcome = Outcome::decode(reader)?;
        let content = match outcome {
            Outcome::Receipt => Content::Receipt(ValueRecord::decode(reader)?),
            _ => Content::Own(Own {
                nt: Counter::decode(reader)?,
                s3: Mac::decode(reader)?,
                s6: Mac::decode(reader)?,
            }),
        };
        Ok(Self { outcome, content, s5: Mac::decode(reader)? })
    }
}
