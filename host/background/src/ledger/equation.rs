//! The books line of the money equation (design, section 9), per issuer and currency.
//!
//! Each term comes from a table of its own: transfers, shadow balances, value
//! commits, ledger accounts. They are written by the same transactions but never
//! from each other, so that a fault in one of them shows as a difference.

use apdu_spec::element::{Currency, Kind, ProviderId};
use serde::Serialize;

use super::account::Account;
use crate::error::Error;
use crate::reports::CurrencyLabel;
use crate::store::Tx;
use crate::store::commits::CommitState;
use crate::store::reports::Scope;
use crate::store::transfers::TransferState;

/// The terms, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Books {
    /// The issuer.
    pub provider: u32,
    /// Currency.
    pub currency: CurrencyLabel,
    /// Loads whose S2 has left, without those that the purse says moved no value.
    pub loaded: i64,
    /// Of these: neither confirmed nor complete.
    pub loads_pending: i64,
    /// Unloads whose S6 has come in.
    pub unloaded: i64,
    /// Sum of the shadow balances.
    pub shadow: i64,
    /// Payments that merchants have to get.
    pub booked: i64,
    /// Payments that merchants have got.
    pub settled: i64,
    /// Payments that their own PSAMs have not confirmed: owed to nobody yet.
    pub unconfirmed: i64,
    /// Payments that no guarantee covers: merchants' acquirers bear them.
    pub withheld: i64,
    /// Purchases voided and not taken back: owed to holders.
    pub voided: i64,
    /// Of these: can no longer be taken back, so that they may be refunded.
    pub refundable: i64,
    /// Purchases voided and refunded by a load, which is among the loads.
    pub refunded: i64,
    /// Purchases taken back after the merchant was paid: lost until recovered.
    pub lost: i64,
    /// The float in the ledger.
    pub float: i64,
    /// The account of voided purchases in the ledger.
    pub voided_account: i64,
    /// Overdrafts granted to purses.
    pub overdraft: i64,
    /// Claims that are open: count. Outside the sum until the purse's word comes in.
    pub claims: i64,
    /// Claims that are open: minor units.
    pub claimed: i64,
}

impl Books {
    /// Left side less right side of the books line; zero when value is accounted for.
    #[must_use]
    pub const fn difference(&self) -> i64 {
        let paid_in = self.loaded - self.unloaded;
        paid_in - (self.shadow + self.spent())
    }

    /// What purses have spent and not taken back.
    const fn spent(&self) -> i64 {
        let asked = self.unconfirmed + self.withheld + self.booked + self.settled;
        asked + self.voided + self.refunded - self.lost
    }

    /// Whether the books line holds, and the ledger says the same.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.difference() == 0 && self.float == self.shadow && self.voided_account == self.voided
    }

    /// The running check of the Handbook: what comes in never exceeds what was loaded, and
    /// what purses may owe.
    #[must_use]
    pub const fn covered(&self) -> bool {
        self.unloaded + self.spent() <= self.loaded + self.overdraft
    }
}

/// Reads all terms.
pub(crate) fn books(tx: &Tx<'_>, provider: ProviderId, currency: Currency) -> Result<Books, Error> {
    let scope = Scope { provider, currency };
    let loads = |state| tx.transfer_sum(scope, Kind::Load, state);
    let purchases = |state| tx.purchase_sum(scope, state);
    let loads_pending = loads(TransferState::Pending)?;
    let loads_done = loads(TransferState::Confirmed)?.checked_add(loads(TransferState::Complete)?);
    let lost = purchases(CommitState::CancelledLate)?;
    let (shadow, overdraft) = tx.purse_sums(scope)?;
    let (claims, claimed) = tx.open_claims(scope)?;
    Ok(Books {
        provider: provider.get(),
        currency: currency.into(),
        loaded: loads_done.and_then(|done| done.checked_add(loads_pending)).ok_or(Error::Overflow)?,
        loads_pending,
        unloaded: tx.transfer_sum(scope, Kind::Unload, TransferState::Complete)?,
        shadow,
        booked: purchases(CommitState::Booked)?,
        settled: purchases(CommitState::Settled)?.checked_add(lost).ok_or(Error::Overflow)?,
        unconfirmed: purchases(CommitState::Unconfirmed)?,
        withheld: purchases(CommitState::Withheld)?,
        voided: purchases(CommitState::Voided)?,
        refundable: tx.refundable(scope)?,
        refunded: purchases(CommitState::Refunded)?,
        lost,
        float: tx.balance(Account::Float(provider), currency)?,
        voided_account: tx.balance(Account::Voided(provider), currency)?,
        overdraft,
        claims,
        claimed,
    })
}
