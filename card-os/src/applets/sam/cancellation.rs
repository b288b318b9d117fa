//! PSAM CANCEL PURCHASE: the void is committed, then the secret is revealed.

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::protections::Protections;
use apdu_spec::record::Outcome;
use apdu_spec::sam::{CancelPurchase, CancellationSecret};

use super::Sam;
use super::layout::{Content, OUTCOME_SIZE};
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

impl<X: Protections> Sam<X> {
    /// PSAM CANCEL PURCHASE: of the open batch alone, since what is collected is paid.
    pub(super) fn cancel(
        &mut self,
        request: CancelPurchase,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let nt = request.nt;
        let last = self.outcome_of(nt, &self.batch, area).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let opening = self.opening(nt, area)?;
        let (iep, nt_iep) = (opening.statement.identity.iep, opening.statement.position.nt);
        let secret: Key = self.secret(iep, opening.key, nt_iep, nt, area)?;
        match (last.outcome, last.content) {
            (Outcome::Credited, Content::Own(own)) => {
                self.ensure_entry(OUTCOME_SIZE, area)?;
                let _ = self.settle(Outcome::Voided, own, &opening, area)?;
            }
            (Outcome::Voided, _) => {}
            _ => return Err(StatusWord::CONDITIONS_NOT_SATISFIED),
        }
        answer(response, &CancellationSecret { secret })
    }
}
