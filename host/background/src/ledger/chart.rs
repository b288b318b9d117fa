//! The chart: which event moves value from which account to which. The only place
//! where debit and credit are chosen.

use apdu_spec::element::{AcquirerId, ProviderId};
use network::Funding;

use super::account::Account;
use crate::management::participants::MerchantId;

/// A movement: the account that gives, the account that takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Movement {
    /// Gives.
    pub debit: Account,
    /// Takes.
    pub credit: Account,
}

impl Movement {
    const fn new(debit: Account, credit: Account) -> Self {
        Self { debit, credit }
    }

    /// The same, the other way round.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.credit, self.debit)
    }
}

/// A load: money comes in, the issuer owes it to the holder. An unload is its reverse.
#[must_use]
pub const fn load(funding: Funding, operator: AcquirerId, issuer: ProviderId) -> Movement {
    let source = match funding {
        Funding::Account => Account::Bank(issuer),
        Funding::Cash => Account::Cash(operator),
        Funding::Operator => Account::Operator(operator),
    };
    Movement::new(source, Account::Float(issuer))
}

/// A payment: owed to the holder before, to the merchant now.
#[must_use]
pub const fn payment(issuer: ProviderId, merchant: MerchantId) -> Movement {
    Movement::new(Account::Float(issuer), Account::Payable(merchant))
}

/// A purchase that arrives voided: the purse paid, nobody is to be paid for it.
#[must_use]
pub const fn voided(issuer: ProviderId) -> Movement {
    Movement::new(Account::Float(issuer), Account::Voided(issuer))
}

/// A payment that is voided after it was booked.
#[must_use]
pub const fn payment_voided(issuer: ProviderId, merchant: MerchantId) -> Movement {
    Movement::new(Account::Payable(merchant), Account::Voided(issuer))
}

/// The purse takes a voided purchase back.
#[must_use]
pub const fn voided_cancelled(issuer: ProviderId) -> Movement {
    voided(issuer).reversed()
}

/// The purse takes back a payment that is booked and not settled.
#[must_use]
pub const fn payment_cancelled(issuer: ProviderId, merchant: MerchantId) -> Movement {
    payment(issuer, merchant).reversed()
}

/// The purse takes back a payment that the merchant has been paid for.
#[must_use]
pub const fn settled_cancelled(issuer: ProviderId) -> Movement {
    Movement::new(Account::Suspense(issuer), Account::Float(issuer))
}

/// The merchant is paid.
#[must_use]
pub const fn settlement(merchant: MerchantId) -> Movement {
    Movement::new(Account::Payable(merchant), Account::Settled(merchant))
}
