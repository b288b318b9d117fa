//! Voided purchases that may be refunded, and the loads that refund them.
//!
//! A purse can take back its last value commit only. So a void is final once what comes after it is
//! known, or a later statement of the purse has an earlier cancellation as its last.

use apdu_spec::element::{Amount, Counter, IepId};
use apdu_spec::record::Position;
use rusqlite::params;

use super::Tx;
use super::code;
use super::reports::Scope;
use crate::error::Error;

impl Tx<'_> {
    /// The first voided purchase of this amount that its purse, which loads from this position, can take
    /// back no more once it has loaded.
    pub fn refundable_void(
        &self,
        iep: IepId,
        amount: Amount,
        from: &Position,
    ) -> Result<Option<Counter>, Error> {
        let sql = "SELECT nv FROM value_commit v WHERE purse = ?1 AND amount = ?2 AND state = 3 AND nv <= ?3
                   AND (nv >= ?4 OR EXISTS
                        (SELECT 1 FROM value_commit n WHERE n.purse = v.purse AND n.nv = v.nv + 1))
                   ORDER BY nv LIMIT 1";
        let row = params![code::purse(iep), amount.get(), from.nv.get(), from.nv_cancellation.get()];
        self.first(sql, row, |row| code::counter(row, 0))
    }

    /// Sum of the voided purchases that their purses can take back no more, minor units.
    pub fn refundable(&self, scope: Scope) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM value_commit v JOIN purse USING (purse)
                   WHERE provider = ?1 AND currency = ?2 AND state = 3
                   AND (stated_nv > v.nv AND stated_cancellation <= v.nv OR EXISTS
                        (SELECT 1 FROM value_commit n WHERE n.purse = v.purse AND n.nv = v.nv + 1))";
        self.number(sql, params![scope.provider.get(), code::currency(scope.currency)])
    }

    /// Sum of the loads that refund, without those that have not taken place, minor units.
    pub fn refund_loads(&self, scope: Scope) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM transfer JOIN purse USING (purse)
                   WHERE provider = ?1 AND purse.currency = ?2 AND kind = 0 AND funding = 4
                   AND state IN (1, 2, 3)";
        self.number(sql, params![scope.provider.get(), code::currency(scope.currency)])
    }

    /// Whether there are as many refunds of this amount that have taken place as voided purchases of a
    /// purse that they have refunded.
    pub fn are_refunded(&self, iep: IepId, amount: Amount) -> Result<bool, Error> {
        let sql = "SELECT (SELECT COUNT(*) FROM transfer
                           WHERE purse = ?1 AND amount = ?2 AND kind = 0 AND funding = 4 AND state IN (2, 3))
                   >= (SELECT COUNT(*) FROM value_commit WHERE purse = ?1 AND amount = ?2 AND state = 9)";
        self.number(sql, params![code::purse(iep), amount.get()]).map(|holds| holds == 1)
    }
}
