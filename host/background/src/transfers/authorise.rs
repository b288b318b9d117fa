//! Decides a load or unload.
//!
//! The entry (purse, NT) holds request and S2 and is durable before S2 leaves. The same
//! request gets the same S2; a different S1 for that key is an exception, and the same S1 with
//! another funding or time is not answered. A refusal is an order as well, for the purse.

use apdu_spec::Element;
use apdu_spec::crypto::session_key::StatementKey;
use apdu_spec::element::{Amount, Balance, Counter, IepId, Kind, Time};
use apdu_spec::purse::Execute;
use apdu_spec::record::{Decision, Order, Statement, Terms, balance_after};
use network::{Rejection, RejectionCode, TransferRequest};

use super::pending::movement;
use super::{permission, refund};
use crate::clearing::booking::{Booking, Standing};
use crate::clearing::exception::{Exception, Reason};
use crate::clearing::statement;
use crate::clearing::verify::{context, group_fits, order_signature, statement_mac};
use crate::error::Error;
use crate::ledger::posting::Event;
use crate::store::Store;
use crate::store::purses::Purse;
use crate::store::transfers::{Transfer, TransferState};
use crate::vault::Vault;

/// Answers a request for a load or unload.
pub(crate) fn authorise(
    store: &mut Store,
    vault: &Vault,
    request: &TransferRequest,
    now: Time,
) -> Result<Execute, Error> {
    let key = verified(vault, request)?;
    let answer = store.transaction("transfer: authorise", |tx| {
        let mut booking = Booking::new(tx, vault, now);
        let answer = answer(&mut booking, &key, request)?;
        booking.finish()?;
        Ok(answer)
    })?;
    // Rejected after the commit: an exception that was noted stays noted.
    answer.map_err(Error::Rejected)
}

type Answer = Result<Execute, Rejection>;

fn reject(code: RejectionCode, text: impl Into<String>) -> Result<Answer, Error> {
    Ok(Err(Rejection { code, text: text.into() }))
}

/// K1 of the session, once S1 has been checked with it.
fn verified(vault: &Vault, request: &TransferRequest) -> Result<StatementKey, Error> {
    let TransferRequest { kind, initialized, counterpart, amount, .. } = *request;
    let wrong = |text: &str| Error::rejected(RejectionCode::WrongMac, text);
    if !matches!(kind, Kind::Load | Kind::Unload) || !group_fits(kind, initialized.key.group) {
        return Err(wrong("the purse used a key that does not make loads and unloads"));
    }
    let statement = initialized.statement;
    let covered = vault.covered(statement);
    let context = context(kind, &covered, counterpart);
    let key = vault
        .statement_key(statement.identity.iep, initialized.key, &context)
        .map_err(|error| wrong(&error.to_string()))?;
    let s1 = statement_mac(&key, kind, initialized.key, covered, counterpart, amount);
    if s1 != initialized.s1 {
        return Err(wrong("the MAC over the purse's statement (S1) is wrong; start the session again"));
    }
    Ok(key)
}

/// Under the transaction: the stored answer, or a new one.
fn answer(booking: &mut Booking<'_>, key: &StatementKey, request: &TransferRequest) -> Result<Answer, Error> {
    let statement = &request.initialized.statement;
    let (iep, nt) = (statement.identity.iep, statement.position.nt);
    let terminal = match permission::terminal(booking, request)? {
        Ok(terminal) => terminal,
        Err(rejection) => return Ok(Err(rejection)),
    };
    match booking.tx.transfer(iep, nt)? {
        Some(known) if known.request == *request => return Ok(Ok(known.answer)),
        Some(known) if known.request.initialized == request.initialized => {
            let text = "this session was asked for with another funding or time; start it again";
            return reject(RejectionCode::Conflict, text);
        }
        Some(_) => {
            note(booking, request, Reason::StatementDiffers)?;
            return reject(RejectionCode::Conflict, Reason::StatementDiffers.text());
        }
        None => {}
    }
    let trustworthy = is_latest(booking, iep, nt)? && !is_rolled_back(booking, request)?;
    if trustworthy && booking.purse(iep)?.is_some() {
        statement::check(booking, iep, &statement.position)?;
        booking.observe(iep, Standing::from(statement.position))?;
        booking.resolve(iep)?;
    }
    if !refund::is_owed(booking, request)? {
        return reject(RejectionCode::NotPermitted, refund::NOT_OWED);
    }
    let purse = booking.purse(iep)?.copied();
    let decision = match purse.filter(|_| trustworthy) {
        Some(purse) => decide(&purse, request, booking.now),
        None => Decision::Refused,
    };
    if let (Decision::Approved(_), Some(purse)) = (decision, purse)
        && let Err(rejection) = permission::of_operators(booking, &terminal, request, &purse)?
    {
        return Ok(Err(rejection));
    }
    order(booking, key, request, decision, purse)
}

/// A session that is older than one we know of is over on the card; approving it would
/// book a load that cannot happen.
fn is_latest(booking: &Booking<'_>, iep: IepId, nt: Counter) -> Result<bool, Error> {
    Ok(booking.tx.last_transfer_session(iep)?.is_none_or(|last| last < nt))
}

/// A purse that states fewer value commits than it made in an earlier session has been
/// rolled back or copied.
fn is_rolled_back(booking: &mut Booking<'_>, request: &TransferRequest) -> Result<bool, Error> {
    let statement = request.initialized.statement;
    let (iep, position) = (statement.identity.iep, statement.position);
    let Some(highest) = booking.purse(iep)?.map(|purse| purse.highest) else { return Ok(false) };
    let Some(last) = booking.tx.commit(iep, highest)? else { return Ok(false) };
    let entry = last.evidence.value().entry;
    // A cancellation repeats the NT of its purchase and may have come after this session:
    // of its kind, only that purchase is known to be earlier.
    let earlier = if entry.kind == Kind::Cancellation { entry.position.nv } else { highest };
    if entry.position.nt >= position.nt || position.nv >= earlier {
        return Ok(false);
    }
    note(booking, request, Reason::RolledBack)?;
    booking.hotlist(iep)?;
    Ok(true)
}

/// Statements of one purse that are kept for one reason: whoever has a copy of it states what he likes.
const STATED_MAX: i64 = 64;

/// Keeps a statement that contradicts what is known, a few of one purse at most.
fn note(booking: &Booking<'_>, request: &TransferRequest, reason: Reason) -> Result<(), Error> {
    let mut bytes = [0; 256];
    let evidence = request.to_slice(&mut bytes).unwrap_or_default().to_vec();
    let position = request.initialized.statement.position;
    let iep = request.initialized.statement.identity.iep;
    if booking.tx.stated(iep, reason)? >= STATED_MAX {
        return Ok(());
    }
    booking.tx.insert_exception(&Exception::of_purse(reason, iep, position.nv.next(), evidence), booking.now)
}

/// Whether the issuer approves. An unload never pays out more than is known to be there.
fn decide(purse: &Purse, request: &TransferRequest, now: Time) -> Decision {
    let Statement { identity, position } = request.initialized.statement;
    let usable = request.amount > Amount::default()
        && purse.hotlisted.is_none()
        && now.date() <= purse.expiry
        && identity.currency == purse.currency;
    let after = balance_after(request.kind, position.balance, request.amount);
    let in_bounds = |after: &Balance| match request.kind {
        Kind::Load => *after <= identity.maximum && *after <= purse.maximum,
        _ => after.0 >= 0 && i64::from(position.balance.0) <= purse.shadow,
    };
    match after.filter(in_bounds) {
        Some(after) if usable => Decision::Approved(after),
        _ => Decision::Refused,
    }
}

/// Makes the order and S2, stores them, and books a load: from here on only the purse's
/// evidence takes it back.
fn order(
    booking: &mut Booking<'_>,
    key: &StatementKey,
    request: &TransferRequest,
    decision: Decision,
    purse: Option<Purse>,
) -> Result<Answer, Error> {
    let TransferRequest { kind, initialized, counterpart, amount, time, .. } = *request;
    let Statement { identity, position } = initialized.statement;
    let Some(nt) = booking.tx.next_transfer_number(counterpart.sam)? else {
        return reject(RejectionCode::Unavailable, "the load terminal has used up its numbers; replace it");
    };
    let taken_over = taken_over(position.nv, position.receipts, purse.map(|purse| purse.complete));
    let order = Order { amount, time, nt, taken_over, terms: Terms::decision(decision) };
    let s2 =
        order_signature(&key.order_key(nt), kind, initialized.key, initialized.s1, counterpart.sam, order);
    let answer = Execute { order, s2 };
    let approved = matches!(decision, Decision::Approved(_));
    let state = if approved { TransferState::Pending } else { TransferState::Refused };
    let transfer = Transfer { request: *request, answer, state };
    booking.tx.insert_transfer(&transfer)?;
    if purse.is_some() {
        statement::take_up(booking, identity.iep, &position)?;
    }
    if approved {
        booking.doubt(identity.iep)?;
    }
    if approved && kind == Kind::Load {
        let minor = i64::from(amount.get());
        booking.move_shadow(identity.iep, minor)?;
        let event = Event::Load(identity.iep, position.nt);
        booking.journal.post(event, movement(&transfer), identity.currency, minor)?;
    }
    Ok(Ok(answer))
}

/// Highest NV whose receipt the purse may free: all that are known here without a gap, and
/// at least what it has freed already.
fn taken_over(nv: Counter, receipts: u8, complete: Option<Counter>) -> Counter {
    let freed = Counter::new(nv.get().saturating_sub(receipts.into())).unwrap_or_default();
    freed.max(nv.min(complete.unwrap_or_default()))
}
