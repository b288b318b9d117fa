//! Sums and lists over all rows, for the equation, reconciliation and reports.

use apdu_spec::element::{AcquirerId, Currency, Kind, ProviderId, Time};
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use super::commits::{CommitState, Evidence};
use super::transfers::TransferState;
use crate::error::Error;
use crate::management::participants::MerchantId;
use crate::reports::{Money, PaymentLine};

/// One issuer's books in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The issuer.
    pub provider: ProviderId,
    /// Currency.
    pub currency: Currency,
}

/// Payments of one merchant in one currency and state.
#[derive(Clone, Debug)]
pub struct MerchantPart {
    /// The merchant.
    pub merchant: MerchantId,
    /// Its name.
    pub name: String,
    /// Its acquirer.
    pub acquirer: AcquirerId,
    /// Currency.
    pub currency: Currency,
    /// State.
    pub state: CommitState,
    /// Payments.
    pub count: i64,
    /// Minor units.
    pub total: i64,
}

impl Tx<'_> {
    /// Every issuer and currency that purses were issued in.
    pub fn scopes(&self) -> Result<Vec<Scope>, Error> {
        let sql = "SELECT DISTINCT provider, currency FROM purse ORDER BY provider, currency";
        self.all(sql, [], |row| {
            let provider = code::id(row, 0, ProviderId::new)?;
            Ok(Scope { provider, currency: code::to_currency(get(row, 1)?)? })
        })
    }

    /// Sum of the loads or unloads in a state.
    pub fn transfer_sum(&self, scope: Scope, kind: Kind, state: TransferState) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM transfer JOIN purse USING (purse)
                   WHERE provider = ?1 AND purse.currency = ?2 AND kind = ?3 AND state = ?4";
        let currency = code::currency(scope.currency);
        self.number(sql, params![scope.provider.get(), currency, kind as u8, state])
    }

    /// Sum of the purchases in a state.
    pub fn purchase_sum(&self, scope: Scope, state: CommitState) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM value_commit JOIN purse USING (purse)
                   WHERE provider = ?1 AND currency = ?2 AND kind = 1 AND state = ?3";
        self.number(sql, params![scope.provider.get(), code::currency(scope.currency), state])
    }

    /// Sum of the shadow balances, and of the overdrafts granted.
    pub fn purse_sums(&self, scope: Scope) -> Result<(i64, i64), Error> {
        let sql = "SELECT COALESCE(SUM(shadow), 0), COALESCE(SUM(overdraft), 0) FROM purse
                   WHERE provider = ?1 AND currency = ?2";
        let sums = self.first(sql, params![scope.provider.get(), code::currency(scope.currency)], |row| {
            Ok((get(row, 0)?, get(row, 1)?))
        })?;
        Ok(sums.unwrap_or_default())
    }

    /// Count and sum of claims that are open.
    pub fn open_claims(&self, scope: Scope) -> Result<(i64, i64), Error> {
        let sql = "SELECT COUNT(*), COALESCE(SUM(claim.amount), 0) FROM claim JOIN purse USING (purse)
                   WHERE provider = ?1 AND currency = ?2 AND state = 1";
        let sums = self.first(sql, params![scope.provider.get(), code::currency(scope.currency)], |row| {
            Ok((get(row, 0)?, get(row, 1)?))
        })?;
        Ok(sums.unwrap_or_default())
    }

    /// Cancellations that wait for their purchase.
    pub fn waiting(&self) -> Result<i64, Error> {
        self.number("SELECT COUNT(*) FROM waiting", [])
    }

    /// Payments by merchant, currency and state; a merchant without payments is left out.
    pub fn merchant_parts(&self) -> Result<Vec<MerchantPart>, Error> {
        let sql = "SELECT merchant, merchant.name, merchant.acquirer, currency, state, COUNT(*), SUM(amount)
                   FROM value_commit JOIN module USING (sam) JOIN merchant USING (merchant)
                   JOIN purse USING (purse) WHERE kind = 1
                   GROUP BY merchant, currency, state ORDER BY merchant, currency, state";
        self.all(sql, [], |row| {
            Ok(MerchantPart {
                merchant: MerchantId(get(row, 0)?),
                name: get(row, 1)?,
                acquirer: code::id(row, 2, AcquirerId::new)?,
                currency: code::to_currency(get(row, 3)?)?,
                state: get(row, 4)?,
                count: get(row, 5)?,
                total: get(row, 6)?,
            })
        })
    }

    /// All purchases at a merchant, by module and its number of the purchase.
    pub fn payments_of(&self, merchant: MerchantId) -> Result<Vec<PaymentLine>, Error> {
        let sql = "SELECT evidence, state FROM value_commit JOIN module USING (sam)
                   WHERE kind = 1 AND merchant = ?1 ORDER BY sam, nt_sam";
        self.all(sql, [merchant.0], |row| {
            let value = *Evidence::read(row, 0)?.value();
            let (order, identity) = (value.entry.order, value.identity);
            Ok(PaymentLine {
                purse: identity.iep.to_string(),
                nv: value.entry.nv().map_or(0, |nv| nv.get()),
                sam: value.entry.counterpart.sam.to_string(),
                nt: order.nt.get(),
                time: Time::to_string(&order.time),
                amount: Money::new(order.amount.get().into(), identity.currency),
                state: get::<CommitState>(row, 1)?.into(),
            })
        })
    }
}
