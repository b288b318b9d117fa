//! What the background system has kept, as events of the model: its books are asked after each
//! message, so that it counts also where it was killed before it could answer. Then what they
//! say of the value commits that the message names has to be what the model says.

use std::collections::BTreeSet;

use apdu_spec::batch::Trailer;
use apdu_spec::element::{Counter, IepId};
use apdu_spec::record::{Decision, ValueRecord};
use background::Background;
use background::store::transfers::TransferState;
use network::{Request, Response, TransferRequest};

use super::audit::{commit_of, line_is_true};
use super::fate::Fate;
use super::system::{iep, provider};
use super::truth::{Truth, kind, purse_of, sam_of};
use crate::Error;
use crate::model::{Event, Outcome};

/// After a message, which was answered or not.
pub(super) fn listen(
    background: &mut Background,
    request: &Request,
    answer: Option<Response>,
    fate: &mut Fate,
) -> Result<(), Error> {
    let truth = &mut fate.truth;
    let named = values(request);
    match request {
        Request::AuthoriseTransfer(asked) => authorised(background, &asked.fields, answer, truth)?,
        Request::CompleteTransfer(_) | Request::ResolveTransfer(_) => {
            background.commits_of(&names(&named), |iep, line| {
                truth.tell(Event::Reported { commit: commit_of(iep, line.nv) });
            })?;
        }
        Request::SubmitBatch(batch) => {
            fate.tally.batches += u64::from(arrived(background, &batch.trailer, truth)?);
        }
    }
    concluded(background, truth)?;
    check(background, &names(&named), truth)
}

/// Value commits that a message speaks of.
fn values(request: &Request) -> Vec<ValueRecord> {
    match request {
        Request::AuthoriseTransfer(_) => Vec::new(),
        Request::CompleteTransfer(asked) => vec![asked.fields],
        Request::ResolveTransfer(asked) => {
            let request = &asked.fields;
            let identity = request.previous.statement.identity;
            let receipt = request.previous.to_receipt().ok().flatten();
            receipt.map(|entry| ValueRecord { identity, entry }).into_iter().collect()
        }
        Request::SubmitBatch(batch) => batch.records.iter().map(|record| record.value).collect(),
    }
}

/// The names of these, where they have not been garbled into those of another issuer.
fn names(values: &[ValueRecord]) -> Vec<(IepId, Counter)> {
    let ours = values.iter().filter(|value| value.identity.iep.provider == provider());
    ours.filter_map(|value| Some((value.identity.iep, value.entry.nv()?))).collect()
}

/// The order that is kept for this S1 is the one that leaves.
fn authorised(
    background: &mut Background,
    request: &TransferRequest,
    answer: Option<Response>,
    truth: &mut Truth,
) -> Result<(), Error> {
    let statement = request.initialized.statement;
    let (iep, nt) = (statement.identity.iep, statement.position.nt);
    let kept = background.transfer(iep, nt)?;
    let kept = kept.filter(|kept| kept.request.initialized == request.initialized);
    if let Some(Response::Decision(left)) = answer {
        let same = kept.is_some_and(|kept| kept.answer == left.fields.execute);
        truth.must(same, || format!("S2 has left and is not kept: {left:?}, {kept:?}"));
    }
    let Some((kept, kind)) = kept.and_then(|kept| Some((kept, kind(kept.kind())?))) else { return Ok(()) };
    let order = kept.answer.order;
    let approved = matches!(order.terms.to_decision(), Ok(Decision::Approved(_)));
    let session = (purse_of(iep.number.get()), nt.get() as usize);
    let (amount, freed) = (order.amount.get().into(), order.taken_over.get() as usize);
    truth.tell(Event::Authorised { session, kind, amount, approved, freed });
    let open = truth.model.transfers.get(&session).is_some_and(|of| of.outcome == Outcome::Open);
    if open && !truth.pending.contains(&session) {
        truth.pending.push(session);
    }
    Ok(())
}

/// Whether a batch has come in for the first time. A PSAM that is none of ours is not heard.
fn arrived(background: &mut Background, trailer: &Trailer, truth: &mut Truth) -> Result<bool, Error> {
    let (sam, batch) = (sam_of(trailer.sam.number.get()), trailer.batch.get() as usize);
    let Some(module) = truth.model.sams.get(sam) else { return Ok(false) };
    let known = batch.checked_sub(1).and_then(|place| module.closed.get(place));
    if known.is_some_and(|known| known.stored) || !background.is_stored(trailer.sam, trailer.batch)? {
        return Ok(false);
    }
    truth.tell(Event::BatchArrived { sam, batch });
    Ok(true)
}

/// What the issuer has concluded about loads and unloads.
fn concluded(background: &mut Background, truth: &mut Truth) -> Result<(), Error> {
    for session in core::mem::take(&mut truth.pending) {
        let nt = u32::try_from(session.1).ok().and_then(Counter::new);
        let Some((iep, nt)) = iep(session.0).zip(nt) else { continue };
        match background.transfer(iep, nt)?.map(|kept| kept.state) {
            Some(TransferState::Confirmed | TransferState::Complete) => {
                truth.tell(Event::Concluded { session, moved: true });
            }
            Some(TransferState::Reversed) => truth.tell(Event::Concluded { session, moved: false }),
            _ => truth.pending.push(session),
        }
    }
    Ok(())
}

/// What the books say of these value commits is what the model says.
fn check(background: &mut Background, named: &[(IepId, Counter)], truth: &mut Truth) -> Result<(), Error> {
    let mut shown = BTreeSet::new();
    background.commits_of(named, |iep, line| {
        shown.insert(commit_of(iep, line.nv));
        line_is_true(iep, &line, truth);
    })?;
    for commit in named.iter().map(|(iep, nv)| commit_of(*iep, *nv)) {
        let missing = !shown.contains(&commit) && truth.model.line(commit).is_some();
        truth.must(!missing, || format!("evidence of {commit:?} has come in, and the books do not have it"));
    }
    Ok(())
}
