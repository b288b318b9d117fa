//! PSAM CANCEL PURCHASE and PSAM RENOUNCE: the void is committed, then, to the purse alone, the
//! secret is revealed.
//!
//! Which payment a purse has made last, and whether it can take the amount back, the purse itself
//! says under a MAC. Else a terminal that was told another number would void one payment and hand
//! the secret of another to whoever relays.

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::element::{Mac, Search, Service};
use apdu_spec::protections::Protections;
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::{Opening, Outcome};
use apdu_spec::sam::{CancelPurchase, CancellationSecret, RenounceRequest};

use super::Sam;
use super::layout::{OUTCOME_SIZE, Own, WHOLE_SIZE};
use crate::applets::purse::LOG_MAX;
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

impl<X: Protections> Sam<X> {
    /// PSAM CANCEL PURCHASE: a payment of the open batch, since what is collected is paid. What is
    /// voided gives its secret until its batch is acknowledged.
    pub(super) fn cancel(
        &mut self,
        request: &CancelPurchase,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let CancelPurchase { nt, previous } = request;
        self.check_previous(previous, area)?;
        let (number, stored) = self.own_outcome(*nt, area).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let own = stored.own().ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let opening = self.opening(*nt, area)?;
        if X::LAST_PURCHASE_PROVEN {
            self.check_last(previous, own, &opening, area)?;
        }
        let (iep, nt_iep) = (opening.statement.identity.iep, opening.statement.position.nt);
        let secret: Key = self.secret(iep, opening.key, nt_iep, *nt, area)?;
        match stored.outcome {
            Outcome::Credited if number >= self.batch.first_entry => self.void(own, &opening, area)?,
            Outcome::Voided => {}
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
        answer(response, &CancellationSecret { secret, amount: opening.order.amount })
    }

    /// Whether the purse says that this payment is its last value commit, and can take it back.
    fn check_last(
        &mut self,
        previous: &PreviousSignature,
        own: Own,
        opening: &Opening,
        area: &Area<'_>,
    ) -> Result<(), StatusWord> {
        let stated = &previous.statement;
        let nv = opening.statement.position.nv.next().ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let receipt = previous.to_receipt().map_err(|_| StatusWord::WRONG_DATA)?;
        let receipt = receipt.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let last = stated.identity.iep == opening.statement.identity.iep
            && (previous.by, previous.asked) == (Search::Nv, nv)
            && stated.position.nv == nv
            && stated.position.service == Service::Open;
        if !last || !self.is_word_on(own, receipt.s3, receipt.s6, area)? {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if u32::from(stated.position.receipts) >= LOG_MAX {
            return Err(StatusWord::RECEIPTS_FULL);
        }
        Ok(())
    }

    /// Whether this S6 is the one that is kept; where none had come back, S3 has to be right.
    fn is_word_on(&mut self, own: Own, s3: Mac, s6: Mac, area: &Area<'_>) -> Result<bool, StatusWord> {
        if own.s6 != Mac::default() {
            return Ok(own.s6 == s6);
        }
        self.is_answer(own.nt, s3, s6, area)
    }

    /// PSAM RENOUNCE.
    pub(super) fn renounce(
        &mut self,
        request: RenounceRequest,
        area: &mut Area<'_>,
    ) -> Result<(), StatusWord> {
        let nt = request.nt;
        if self.open(nt).is_some() {
            let opening = self.opening(nt, area)?;
            let own = Own { nt, s3: Mac::default(), s6: Mac::default() };
            return self.settle(Outcome::Voided, own, &opening, area).map(drop);
        }
        let (number, stored) = self.own_outcome(nt, area).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let own = stored.own().ok_or(StatusWord::RECORD_NOT_FOUND)?;
        match stored.outcome {
            Outcome::Credited if number >= self.batch.first_entry => {
                let opening = self.opening(nt, area)?;
                self.void(own, &opening, area)
            }
            Outcome::Voided => Ok(()),
            _ => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
    }

    /// Voids a payment that was credited.
    fn void(&mut self, own: Own, opening: &Opening, area: &mut Area<'_>) -> Result<(), StatusWord> {
        self.ensure_entry(OUTCOME_SIZE.max(WHOLE_SIZE), area)?;
        self.settle(Outcome::Voided, own, opening, area).map(drop)
    }
}
