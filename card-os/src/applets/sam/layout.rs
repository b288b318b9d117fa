//! Where a PSAM keeps what: cells, logs, and the shapes of what is in them.

use apdu_spec::batch::{PROVIDERS_MAX, Sum};
use apdu_spec::element::{
    Amount, Balance, BatchNumber, Counter, Currency, Date, IepId, KeyReference, Mac, Random, SamCounter, Time,
};
use apdu_spec::layout;
use apdu_spec::record::{Identity, Opening, Order, Outcome, Statement, Terms, ValueRecord};
use apdu_spec::wire::{Element, List, Malformed, Reader, Writer};

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
/// What had been handed in when the last batch that is acknowledged was closed ([`Totals`]).
pub(super) const TOTALS: Cell = Cell(7);
/// What the background system has said last ([`Authority`]).
pub(super) const AUTHORITY: Cell = Cell(20);
/// Openings whose number serves again ([`Reopened`]), one cell for each that may be open.
pub(super) const REOPENED: u8 = 21;
/// Payments opened ([`StoredOpening`]), numbered by NT_PSAM.
pub(super) const OPENINGS: Log = Log(0);
/// Entries of all batches ([`Stored`]).
pub(super) const ENTRIES: Log = Log(1);

/// Closed batches that may wait for their acknowledgement.
pub(super) const CLOSED_MAX: u32 = 4;
/// Purchases that may be open at once.
pub(super) const OPEN_MAX: usize = 8;
/// Claims that one purse may leave in a batch by sessions that it never carried out.
pub(super) const CLAIMS_MAX: u16 = 3;
/// Purchases that one batch takes.
pub(super) const BATCH_MAX: u32 = 512;

/// Bytes of the entry of one outcome, in memory, and of a seal that a power-up may write.
pub(super) const OUTCOME_SIZE: usize = 56;
/// Likewise of an outcome that is kept whole.
pub(super) const WHOLE_SIZE: usize = 144;
/// Likewise of an opening.
pub(super) const OPENING_SIZE: usize = 96;
/// Bytes that closing and acknowledging take besides the outcomes of open purchases, and
/// counting wrong MACs.
pub(super) const CLOSING_SIZE: usize = 1_600;

layout! {
    /// The batch that takes entries.
    #[derive(Copy)]
    pub struct OpenBatch {
        /// Its number, from 1.
        number: BatchNumber,
        /// Number of its first entry.
        first_entry: u32,
        /// NT_PSAM of the first purchase that it may open.
        first_nt: SamCounter,
        /// S4 of the batch before.
        previous: Mac,
        /// The list of blocked purses that the PSAM had then.
        list: u32,
    }
}

layout! {
    /// What had been handed in since issue.
    pub struct Totals {
        /// Sums per issuer and currency.
        sums: List<Sum, PROVIDERS_MAX>,
    }
}

layout! {
    /// What the background system has said last, under a MAC, and when that was in the life of
    /// this PSAM: orders before it do not bind the clock.
    #[derive(Copy)]
    pub struct Authority {
        /// The time.
        time: Time,
        /// The list of blocked purses.
        list: u32,
        /// Oldest list under which purchases may be opened.
        list_min: u32,
        /// Last NT_PSAM by then.
        nt: SamCounter,
        /// First entry after it.
        entry: u32,
    }
}

layout! {
    /// An opening that has taken the place of one that was never debited, or a place that is
    /// free to be taken.
    #[derive(Copy)]
    pub struct Reopened {
        /// NT_PSAM.
        nt: SamCounter,
        /// 01 where the purse has said that it was never debited: any purse may take the place.
        vacant: u8,
        /// The opening.
        opening: StoredOpening,
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
    /// An opening in memory: 66 bytes in most lives. Its number is NT_PSAM, its currency is
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
    pub(super) const fn to_opening(self, nt: SamCounter, currency: Currency) -> Opening {
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
    pub nt: SamCounter,
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
    /// A whole value commit: a receipt that was taken over, or the outcome of an opening whose
    /// place in the log was another's.
    Whole(ValueRecord),
}

/// An entry of a batch in memory: outcome (1, with bit 80 where the content of one of our own is
/// whole), content (20 or 108), S5 (8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    /// What became of it.
    pub outcome: Outcome,
    /// Which payment.
    pub content: Content,
    /// MAC over the whole record.
    pub s5: Mac,
}

/// Bit of the outcome: the content is whole.
const WHOLE: u8 = 0x80;

impl Stored {
    /// The outcome of one of our own openings, where it is one.
    #[must_use]
    pub(super) const fn own(&self) -> Option<Own> {
        match (self.outcome, self.content) {
            (_, Content::Own(own)) => Some(own),
            (Outcome::Receipt, Content::Whole(_)) => None,
            (_, Content::Whole(ValueRecord { entry, .. })) => {
                Some(Own { nt: entry.order.nt, s3: entry.s3, s6: entry.s6 })
            }
        }
    }
}

impl Element for Stored {
    const MIN: usize = 1 + 20 + Mac::MAX;
    const MAX: usize = 1 + ValueRecord::MAX + Mac::MAX;

    fn encode(&self, writer: &mut Writer<'_>) {
        let whole = matches!(self.content, Content::Whole(_)) && self.outcome != Outcome::Receipt;
        writer.put(&[self.outcome as u8 | if whole { WHOLE } else { 0 }]);
        match &self.content {
            Content::Own(own) => {
                own.nt.encode(writer);
                own.s3.encode(writer);
                own.s6.encode(writer);
            }
            Content::Whole(value) => value.encode(writer),
        }
        self.s5.encode(writer);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let code = reader.byte()?;
        let outcome = Outcome::from_bytes(&[code & !WHOLE])?;
        let content = if code & WHOLE != 0 || outcome == Outcome::Receipt {
            Content::Whole(ValueRecord::decode(reader)?)
        } else {
            let (nt, s3) = (SamCounter::decode(reader)?, Mac::decode(reader)?);
            Content::Own(Own { nt, s3, s6: Mac::decode(reader)? })
        };
        Ok(Self { outcome, content, s5: Mac::decode(reader)? })
    }
}
