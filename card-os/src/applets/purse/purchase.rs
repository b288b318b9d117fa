//! DEBIT IEP for Purchase.

use apdu_spec::StatusWord;
use apdu_spec::element::{Balance, Kind};
use apdu_spec::protections::Protections;
use apdu_spec::purse::Execute;
use apdu_spec::record::balance_after;

use super::Purse;
use crate::kernel::Response;
use crate::kernel::area::Area;

impl<X: Protections> Purse<X> {
    pub(super) fn debit(
        &mut self,
        request: &Execute,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let verified = self.verify(Kind::Purchase, request)?;
        let parameters = self.parameters()?;
        let amount = verified.order.amount;
        if amount > parameters.purchase_limit {
            return Err(StatusWord::LIMIT_EXCEEDED);
        }
        let least = Balance(-parameters.overdraft.signed());
        balance_after(Kind::Purchase, self.state.balance, amount)
            .filter(|after| *after >= least || !X::BALANCE_CHECKED)
            .ok_or(StatusWord::INSUFFICIENT_BALANCE)?;
        self.execute(&verified, area, response)
    }
}
