//! CREDIT IEP for Load and DEBIT IEP for Unload: the issuer has decided, and says to
//! which balance the purse must come.

use apdu_spec::StatusWord;
use apdu_spec::element::{Balance, Kind};
use apdu_spec::protections::Protections;
use apdu_spec::purse::Execute;
use apdu_spec::record::{Decision, Order, balance_after};

use super::Purse;
use super::session::Stated;
use crate::kernel::Response;
use crate::kernel::area::Area;

impl<X: Protections> Purse<X> {
    pub(super) fn transfer(
        &mut self,
        kind: Kind,
        request: &Execute,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        self.carry_out(kind, request, Self::may_transfer, area, response)
    }

    fn may_transfer(&self, stated: &Stated, order: Order) -> Result<(), StatusWord> {
        if order.amount != stated.amount {
            return Err(StatusWord::WRONG_DATA);
        }
        let decision = order.terms.to_decision().map_err(|_| StatusWord::WRONG_DATA)?;
        let Decision::Approved(approved) = decision else {
            return Err(StatusWord::REFUSED_BY_ISSUER);
        };
        let after = balance_after(stated.kind, self.state.balance, order.amount);
        let after = after.ok_or(StatusWord::MAXIMUM_EXCEEDED)?;
        if after != approved {
            return Err(StatusWord::WRONG_DATA);
        }
        if stated.kind == Kind::Load && after > self.parameters()?.identity.maximum {
            return Err(StatusWord::MAXIMUM_EXCEEDED);
        }
        if stated.kind == Kind::Unload && after < Balance(0) {
            return Err(StatusWord::INSUFFICIENT_BALANCE);
        }
        Ok(())
    }
}
