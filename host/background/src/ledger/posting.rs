//! Postings: what is posted once, and the journal that posts it within a transaction.

use std::collections::HashMap;

use apdu_spec::element::{Counter, Currency, IepId, Time};

use super::account::Account;
use super::chart::Movement;
use crate::error::Error;
use crate::management::participants::MerchantId;
use crate::store::Tx;
use crate::store::postings::{AccountRow, PostingRow};

/// Why value moves between accounts: the key under which it is posted once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A purchase came in: purse, NV.
    Payment(IepId, Counter),
    /// A booked payment was voided: purse, NV of the purchase.
    Voided(IepId, Counter),
    /// A purchase was taken back: purse, NV of the purchase.
    Cancelled(IepId, Counter),
    /// S2 of a load left: purse, NT.
    Load(IepId, Counter),
    /// The purse's word is that a load moved no value: purse, NT.
    LoadReversed(IepId, Counter),
    /// S6 of an unload came in: purse, NT.
    Unload(IepId, Counter),
    /// A merchant was paid: settlement, merchant, currency.
    Settled(i64, MerchantId, Currency),
    /// A payment was confirmed by its own PSAM, or without it for good: purse, NV.
    Confirmed(IepId, Counter),
    /// A voided purchase was refunded by a load: purse, NV of the purchase.
    Refunded(IepId, Counter),
}

/// Posts within one transaction. Balances are written once an account, at the end.
#[derive(Debug)]
pub struct Journal<'t> {
    tx: &'t Tx<'t>,
    now: Time,
    accounts: HashMap<(Account, Currency), (AccountRow, i64)>,
}

impl<'t> Journal<'t> {
    /// A journal that posts at `now`.
    #[must_use]
    pub fn new(tx: &'t Tx<'t>, now: Time) -> Self {
        Self { tx, now, accounts: HashMap::new() }
    }

    /// Posts `amount` minor units. An event that was posted before is not posted again;
    /// where it was posted with other contents, that is an error of its own. Nothing is
    /// posted for an amount of zero.
    pub fn post(
        &mut self,
        event: Event,
        movement: Movement,
        currency: Currency,
        amount: i64,
    ) -> Result<(), Error> {
        if amount == 0 {
            return Ok(());
        }
        let debit = self.account(movement.debit, currency)?;
        let credit = self.account(movement.credit, currency)?;
        let posting = PostingRow { debit, credit, amount };
        if self.tx.insert_posting(&event, &posting, self.now)? {
            self.add(movement.debit, currency, amount.checked_neg().ok_or(Error::Overflow)?)?;
            self.add(movement.credit, currency, amount)
        } else if self.tx.posting(&event)? == Some(posting) {
            Ok(())
        } else {
            Err(Error::PostingDiffers(format!("{event:?}")))
        }
    }

    /// Writes the balances.
    pub fn finish(self) -> Result<(), Error> {
        let mut changed = self.accounts.into_values().filter(|(_, delta)| *delta != 0);
        changed.try_for_each(|(row, delta)| self.tx.add_to_balance(row, delta))
    }

    fn account(&mut self, account: Account, currency: Currency) -> Result<AccountRow, Error> {
        if let Some((row, _)) = self.accounts.get(&(account, currency)) {
            return Ok(*row);
        }
        let row = self.tx.account(account, currency)?;
        self.accounts.insert((account, currency), (row, 0));
        Ok(row)
    }

    fn add(&mut self, account: Account, currency: Currency, amount: i64) -> Result<(), Error> {
        let Some((_, delta)) = self.accounts.get_mut(&(account, currency)) else {
            return Err(Error::Damaged("account"));
        };
        *delta = delta.checked_add(amount).ok_or(Error::Overflow)?;
        Ok(())
    }
}
