//! The accounts. A balance is credits less debits, so that what is owed to somebody
//! is positive and what is held for it (bank, cash) negative; all add up to zero.

use apdu_spec::element::{AcquirerId, ProviderId};

use crate::management::participants::MerchantId;

/// An account. One exists in each currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Account {
    /// The issuer's bank: money that holders paid in, out of their accounts.
    Bank(ProviderId),
    /// Cash at the load terminals of an operator.
    Cash(AcquirerId),
    /// What an operator owes for refunds and credits that it gave.
    Operator(AcquirerId),
    /// The float: what the issuer owes the holders of its purses.
    Float(ProviderId),
    /// What a merchant has earned and not been paid.
    Payable(MerchantId),
    /// What a merchant has been paid.
    Settled(MerchantId),
    /// Purchases that a PSAM has voided and the purse has not taken back: owed to holders.
    Voided(ProviderId),
    /// Purchases that were taken back after the merchant was paid: the issuer's loss until
    /// it is recovered.
    Suspense(ProviderId),
    /// Payments that their own PSAMs have not confirmed: owed to nobody yet.
    Unconfirmed(ProviderId),
    /// Payments that no guarantee covers: kept back from merchants, whose acquirers bear them.
    Withheld(ProviderId),
    /// Loads that refund a voided purchase and are not confirmed: below zero until they are.
    Refunds(ProviderId),
}

impl Account {
    /// Role and owner, as they are stored. Never reuse a number.
    #[must_use]
    pub const fn key(self) -> (u8, u32) {
        match self {
            Self::Bank(provider) => (1, provider.get()),
            Self::Cash(acquirer) => (2, acquirer.get()),
            Self::Operator(acquirer) => (3, acquirer.get()),
            Self::Float(provider) => (4, provider.get()),
            Self::Payable(merchant) => (5, merchant.0),
            Self::Settled(merchant) => (6, merchant.0),
            Self::Voided(provider) => (7, provider.get()),
            Self::Suspense(provider) => (8, provider.get()),
            Self::Unconfirmed(provider) => (9, provider.get()),
            Self::Withheld(provider) => (10, provider.get()),
            Self::Refunds(provider) => (11, provider.get()),
        }
    }
}
