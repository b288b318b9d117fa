//! The transaction as data: what the purse states, what its counterpart orders,
//! and the records that carry both through log, receipt, PSAM and clearing.

use core::fmt;

use crate::element::{
    Amount, Balance, BatchNumber, Counter, Currency, Date, IepId, KeyReference, Kind, Mac, Random,
    SamCounter, SamId, Service, Time,
};
use crate::wire::{Element, Malformed, hex};
use crate::{code, layout, transparent};

layout! {
    /// What does not change from one transaction of a purse to the next: 17 bytes.
    #[derive(Copy)]
    pub struct Identity {
        /// Purse.
        iep: IepId,
        /// Last day on which the purse is accepted.
        expiry: Date,
        /// Currency.
        currency: Currency,
        /// Greatest balance, minor units.
        maximum: Balance,
    }
}

layout! {
    /// Where the purse stands before a transaction: 34 bytes.
    #[derive(Copy)]
    pub struct Position {
        /// Balance, minor units.
        balance: Balance,
        /// Number of this session (NT_IEP), committed before S1 leaves.
        nt: Counter,
        /// Number of the last value commit (NV_IEP).
        nv: Counter,
        /// NV of the last online load.
        nv_load: Counter,
        /// NV of the last cancellation.
        nv_cancellation: Counter,
        /// Loaded offline in all its life, minor units.
        offline_total: Amount,
        /// That sum when the issuer last renewed the ceiling of offline loads.
        offline_base: Amount,
        /// Random number of the purse for this session (R_IEP).
        random: Random,
        /// Receipts held: value commits that nobody has taken over.
        receipts: u8,
        /// Whether it moves value.
        service: Service,
    }
}

layout! {
    /// What S1 says about the purse: 51 bytes.
    #[derive(Copy)]
    pub struct Statement {
        /// The purse.
        identity: Identity,
        /// Where it stands.
        position: Position,
    }
}

layout! {
    /// Who asks, and its random number: 14 bytes.
    #[derive(Copy)]
    pub struct Counterpart {
        /// PSAM or load terminal.
        sam: SamId,
        /// Its challenge.
        challenge: Random,
    }
}

layout! {
    /// What the counterpart orders, under S2: 23 bytes.
    #[derive(Copy)]
    pub struct Order {
        /// Amount, minor units.
        amount: Amount,
        /// When.
        time: Time,
        /// Number of the transaction at the counterpart (NT_PSAM).
        nt: SamCounter,
        /// Highest NV whose receipt has been taken over; the purse frees up to it.
        taken_over: Counter,
        /// Terms of this type of transaction.
        terms: Terms,
    }
}

/// Eight bytes of an [`Order`] whose meaning follows from the type of
/// transaction: the cancellation commitment of a purchase, or the issuer's
/// decision on a load or unload.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms([u8; 8]);

/// The issuer's decision on a load or unload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Approved; the purse must come to exactly this balance.
    Approved(Balance),
    /// Refused: nothing changes.
    Refused,
}

impl Terms {
    const APPROVED: u8 = 0x01;
    const REFUSED: u8 = 0x02;

    /// Terms of a purchase: the commitment to the secret that cancels it.
    #[must_use]
    pub const fn commitment(commitment: Mac) -> Self {
        Self(commitment.0)
    }

    /// The commitment, of a purchase.
    #[must_use]
    pub const fn to_commitment(self) -> Mac {
        Mac(self.0)
    }

    /// Terms of a load or unload: decision (1), absolute new balance (4), zeros (3).
    #[must_use]
    pub const fn decision(decision: Decision) -> Self {
        match decision {
            Decision::Approved(Balance(balance)) => {
                let [a, b, c, d] = balance.to_be_bytes();
                Self([Self::APPROVED, a, b, c, d, 0, 0, 0])
            }
            Decision::Refused => Self([Self::REFUSED, 0, 0, 0, 0, 0, 0, 0]),
        }
    }

    /// The decision, of a load or unload.
    pub const fn to_decision(self) -> Result<Decision, Malformed> {
        match self.0 {
            [Self::APPROVED, a, b, c, d, 0, 0, 0] => {
                Ok(Decision::Approved(Balance(i32::from_be_bytes([a, b, c, d]))))
            }
            [Self::REFUSED, 0, 0, 0, 0, 0, 0, 0] => Ok(Decision::Refused),
            _ => Err(Malformed),
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

transparent!(Terms([u8; 8]));

layout! {
    /// A value commit as the purse logs it: 91 bytes. The newest one *is* the
    /// state of the purse: balance and counters follow from it.
    #[derive(Copy)]
    pub struct LogEntry {
        /// Type of transaction.
        kind: Kind,
        /// Key of S1, S2 and S3.
        key: KeyReference,
        /// Where the purse stood before.
        position: Position,
        /// Who ordered.
        counterpart: Counterpart,
        /// What was ordered.
        order: Order,
        /// The purse's answer to the counterpart.
        s3: Mac,
        /// The purse's word to its issuer.
        s6: Mac,
    }
}

layout! {
    /// A value commit that stands alone, outside its purse: 108 bytes.
    #[derive(Copy)]
    pub struct ValueRecord {
        /// The purse.
        identity: Identity,
        /// The commit.
        entry: LogEntry,
    }
}

impl LogEntry {
    /// Balance after this commit; nothing where it leaves the range of a balance.
    #[must_use]
    pub const fn balance_after(&self) -> Option<Balance> {
        match balance_after(self.kind, self.position.balance, self.order.amount) {
            Some(balance) => Some(balance),
            None => None,
        }
    }

    /// NV of this commit.
    #[must_use]
    pub const fn nv(&self) -> Option<Counter> {
        self.position.nv.next()
    }
}

/// The balance after `amount` has moved.
#[must_use]
pub const fn balance_after(kind: Kind, before: Balance, amount: Amount) -> Option<Balance> {
    let after = match kind {
        Kind::Load | Kind::Cancellation => before.0.checked_add(amount.signed()),
        Kind::Purchase | Kind::Unload => before.0.checked_sub(amount.signed()),
        Kind::Recovery => Some(before.0),
    };
    match after {
        Some(after) => Some(Balance(after)),
        None => None,
    }
}

layout! {
    /// A payment that a PSAM has opened: 85 bytes. Numbered by NT_PSAM.
    #[derive(Copy)]
    pub struct Opening {
        /// Key of S1, S2 and S3.
        key: KeyReference,
        /// The purse's statement.
        statement: Statement,
        /// Challenge of the PSAM.
        challenge: Random,
        /// The PSAM's order.
        order: Order,
    }
}

code! {
    /// What became of an entry of a batch.
    pub enum Outcome: u8 {
        /// Paid: S3 was verified by the PSAM.
        Credited = 0x01,
        /// A claim: S2 has left, nothing came back.
        Unresolved = 0x02,
        /// Never debited: the purse said so under a MAC.
        NotDebited = 0x03,
        /// Cancelled or renounced at this PSAM: it does not ask for payment. S3 and S6 are zero
        /// where nothing had come back.
        Voided = 0x04,
        /// A receipt of any value commit, taken over from a purse.
        Receipt = 0x05,
    }
}

layout! {
    /// An entry of a batch as it leaves the PSAM: 132 bytes.
    #[derive(Copy)]
    pub struct BatchRecord {
        /// The PSAM that hands it in.
        sam: SamId,
        /// Its batch.
        batch: BatchNumber,
        /// Place within the batch, from 0.
        index: u16,
        /// What became of it.
        outcome: Outcome,
        /// The list of blocked purses that the PSAM had when the batch began, or a newer one.
        list: u32,
        /// The value commit; S3 and S6 are zero where none came back.
        value: ValueRecord,
        /// The PSAM's MAC over all of it, for the background system.
        s5: Mac,
    }
}

const _: () = {
    assert!(Identity::MAX == 17 && Position::MAX == 34 && Statement::MAX == 51);
    assert!(Counterpart::MAX == 14 && Order::MAX == 23);
    assert!(LogEntry::MAX == 91 && ValueRecord::MAX == 108 && Opening::MAX == 85);
    assert!(BatchRecord::MAX == 132);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_survive_the_wire() {
        for decision in [Decision::Approved(Balance(-310)), Decision::Refused] {
            assert_eq!(Terms::decision(decision).to_decision(), Ok(decision));
        }
        assert_eq!(Terms([1, 0, 0, 0, 0, 0, 0, 1]).to_decision(), Err(Malformed));
    }

    #[test]
    fn no_balance_leaves_its_range() {
        let amount = Amount::MAX;
        assert_eq!(balance_after(Kind::Load, Balance(1), amount), None);
        assert_eq!(balance_after(Kind::Purchase, Balance(-2), amount), None);
    }
}
