//! Why something is not booked as it says: reasons are data, and what they are about
//! is kept byte for byte.

use apdu_spec::element::{BatchNumber, Counter, IepId, SamId};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why something is an exception.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Reason { $($(#[doc = $doc])* $name,)* }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word under which it is stored and reported.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence for a person.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

impl Reason {
    /// Why a whole batch is sent back.
    pub const REFUSALS: [Self; 5] =
        [Self::WrongS4, Self::WrongTotals, Self::WrongChain, Self::WrongS5, Self::BatchDiffers];
}

reasons! {
    /// The module is not registered, or is not of this kind.
    UnknownModule = "unknown-module", "the module is not registered for this";
    /// S4 is wrong.
    WrongS4 = "wrong-s4", "the MAC over the trailer of the batch is wrong";
    /// The trailer does not fit the records.
    WrongTotals = "wrong-totals", "counts or sums of the trailer do not fit the records";
    /// The chain over the records is broken, or a record is out of its place.
    WrongChain = "wrong-chain", "the records are not those that the trailer closes";
    /// S5 of a record is wrong.
    WrongS5 = "wrong-s5", "the MAC over a record is wrong";
    /// A batch of the same number with another S4.
    BatchDiffers = "batch-differs", "another batch of the same number is stored";
    /// The batch before has not come in.
    BatchGap = "batch-gap", "this batch is missing: a later one has come in";
    /// The batch does not follow the one before.
    BatchLink = "batch-link", "the batch names another S4 as its predecessor's";
    /// The sums of a batch do not follow from those of its neighbour.
    BatchSums = "batch-sums", "the sums of the batch do not follow from those of the one before";
    /// A time that the module says it was told, and was not.
    BatchTime = "batch-time", "the module was never told the time that it states";
    /// A batch that the module has forgotten without a word from us.
    BatchForgotten = "batch-forgotten", "the module has forgotten a batch that is not stored";
    /// A newer list of blocked purses in a record than in its trailer.
    BatchList = "batch-list", "a record states a newer list of blocked purses than its module had";
    /// More cancellations wait for their purchases than one module may have waiting.
    TooManyWaiting = "too-many-waiting", "too many cancellations of this purse wait for their purchase";
    /// A record about a purchase at another module, not handed in as a receipt.
    ForeignRecord = "foreign-record", "the record is about another module's transaction";
    /// The purse was never issued here.
    UnknownPurse = "unknown-purse", "the purse is not registered";
    /// A key version that the vault does not have.
    UnknownKey = "unknown-key", "the key version is not known";
    /// S3, which S1 and S2 lead to, is wrong.
    WrongMac = "wrong-mac", "the purse's word to its counterpart (S3) is wrong";
    /// S3 is good and S6 wrong.
    ForgedPurse = "forged-purse", "S3 is good and S6 is wrong: a purchase key has leaked";
    /// Another currency than the purse was issued in.
    WrongCurrency = "wrong-currency", "the currency is not that of the purse";
    /// After the last day of the purse.
    Expired = "expired", "the purse had expired";
    /// After the purse was hotlisted, when its PSAM had to have the list.
    Hotlisted = "hotlisted", "the purse was on the hotlist for longer than is guaranteed";
    /// The batch came in later than is guaranteed after its PSAM last heard from us.
    LateBatch = "late-batch", "the batch came in later than is guaranteed";
    /// The purse paid more at one PSAM in one batch than is guaranteed.
    AboveGuarantee = "above-guarantee", "the purse paid more in this batch than is guaranteed";
    /// Nothing is paid.
    ZeroAmount = "zero-amount", "the amount is zero";
    /// Two positions of the purse that cannot both be true.
    Discontinuous = "discontinuous", "a copied or broken purse: its positions contradict each other";
    /// The purse has paid more than it can have had.
    BelowFloor = "below-floor", "a copied or broken purse: it has paid more than was loaded";
    /// The balance would leave its range.
    OutOfBounds = "out-of-bounds", "the balance leaves the range that the purse was issued with";
    /// Two different value commits under one NV.
    Clone = "clone", "another transaction under the same number: a copied or rolled-back purse";
    /// Two different purchases under one number of the PSAM.
    NumberReused = "number-reused", "another purchase under the same number of this module";
    /// A load or unload that was not approved here.
    UnknownTransfer = "unknown-transfer", "no such load or unload was approved";
    /// A load or unload of which the purse had said that it moved no value.
    ReversedTransfer = "reversed-transfer", "the purse had said that this transfer moved no value";
    /// A different S1 under the same NT.
    StatementDiffers = "statement-differs", "another statement of the same session is stored";
    /// The purse states less than what it has done before.
    RolledBack = "rolled-back", "the purse is behind what it has done: a rolled-back or copied purse";
    /// A cancellation that does not fit the purchase before it.
    CancelsNothing = "cancels-nothing", "the cancellation does not fit the purchase before it";
    /// The PSAM asks to be paid for what it has cancelled.
    CancelledButSubmitted = "cancelled-but-submitted", "the module asks for payment of what it cancelled";
    /// Taken back after the merchant was paid.
    CancelledLate = "cancelled-late", "taken back after the merchant was paid: recover it from the merchant";
    /// Voided after the merchant was paid.
    VoidedLate = "voided-late", "voided after the merchant was paid: recover it from the merchant";
    /// A refund was loaded, and its purchase has been taken back all the same.
    RefundNotOwed = "refund-not-owed", "the purchase that was refunded is voided no more: a copied purse";
    /// A type of transaction that moves no value.
    NoValue = "no-value", "this type of transaction moves no value";
}

/// An exception, with what it is about.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Why.
    pub reason: Reason,
    /// The module that handed it in.
    pub sam: Option<SamId>,
    /// Its batch.
    pub batch: Option<BatchNumber>,
    /// The purse.
    pub purse: Option<IepId>,
    /// NV of the value commit.
    pub nv: Option<Counter>,
    /// More, for a person.
    pub detail: String,
    /// The bytes as they came in.
    pub evidence: Vec<u8>,
}

impl Exception {
    /// An exception about a batch as a whole.
    #[must_use]
    pub fn of_batch(reason: Reason, sam: SamId, batch: BatchNumber, evidence: Vec<u8>) -> Self {
        let (sam, batch) = (Some(sam), Some(batch));
        Self { reason, sam, batch, purse: None, nv: None, detail: reason.text().to_owned(), evidence }
    }

    /// An exception about a purse.
    #[must_use]
    pub fn of_purse(reason: Reason, purse: IepId, nv: Option<Counter>, evidence: Vec<u8>) -> Self {
        let detail = reason.text().to_owned();
        Self { reason, sam: None, batch: None, purse: Some(purse), nv, detail, evidence }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Reason;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
