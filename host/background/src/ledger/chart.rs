//! The chart: which event moves value from which account to which. The only place
//! where debit and credit are chosen.

use apdu_spec::element::{AcquirerId, ProviderId};
use network::Funding;

use super::account::Account;
use crate::management::participants::MerchantId;
use crate::store::commits::CommitState;

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
        Funding::Refund => Account::Refunds(issuer),
    };
    Movement::new(source, Account::Float(issuer))
}

/// A purchase comes in, or changes its state: its value goes from where it was to where it is now.
/// Before it came in it was the holder's, as it is once it is cancelled.
#[must_use]
pub const fn purchase(
    from: CommitState,
    to: CommitState,
    issuer: ProviderId,
    merchant: MerchantId,
) -> Movement {
    Movement::new(place(from, issuer, merchant), place(to, issuer, merchant))
}

/// Where the value of a purchase is.
const fn place(state: CommitState, issuer: ProviderId, merchant: MerchantId) -> Account {
    match state {
        CommitState::Booked => Account::Payable(merchant),
        CommitState::Unconfirmed => Account::Unconfirmed(issuer),
        CommitState::Withheld => Account::Withheld(issuer),
        CommitState::Voided => Account::Voided(issuer),
        CommitState::Refunded => Account::Refunds(issuer),
        // What the merchant has been paid stays paid: it is the issuer's loss until it is recovered.
        CommitState::Settled | CommitState::CancelledLate => Account::Suspense(issuer),
        CommitState::Cancelled | CommitState::Recorded => Account::Float(issuer),
    }
}

/// The merchant is paid.
#[must_use]
pub const fn settlement(merchant: MerchantId) -> Movement {
    Movement::new(Account::Payable(merchant), Account::Settled(merchant))
}
