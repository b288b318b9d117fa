//! DEBIT IEP for Purchase.

use apdu_spec::StatusWord;
use apdu_spec::element::{Amount, Balance, Kind};
use apdu_spec::protections::Protections;
use apdu_spec::purse::Execute;
use apdu_spec::record::{Order, balance_after};

use super::Purse;
use super::layout::LOG_MAX;
use super::session::Stated;
use crate::kernel::Response;
use crate::kernel::area::Area;

impl<X: Protections> Purse<X> {
    pub(super) fn debit(
        &mut self,
        request: &Execute,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.carry_out(Kind::Purchase, request, Self::may_debit, area, response)
    }

    fn may_debit(&self, _: &Stated, order: Order) -> Result<(), StatusWord> {
        let parameters = self.parameters()?;
        if order.amount == Amount::default() {
            return Err(StatusWord::WRONG_DATA);
        }
        // One place stays free for the cancellation.
        if self.state.nv.since(order.taken_over).is_none_or(|held| held > LOG_MAX - 2) {
            return Err(StatusWord::RECEIPTS_FULL);
        }
        if order.amount > parameters.purchase_limit {
            return Err(StatusWord::LIMIT_EXCEEDED);
        }
        let least = Balance(-parameters.overdraft.signed());
        balance_after(Kind::Purchase, self.state.balance, order.amount)
            .filter(|after| *after >= least || !X::BALANCE_CHECKED)
            .map(drop)
            .ok_or(StatusWord::INSUFFICIENT_BALANCE)
    }
}
