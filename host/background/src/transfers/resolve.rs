//! What a purse answers to GET PREVIOUS IEP SIGNATURE: the receipt of a load or unload,
//! or that the session moved no value, which is final because the session is over.

use apdu_spec::crypto::session_key::SessionContext;
use apdu_spec::element::{Kind, Random, Search, Time};
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::{Statement, ValueRecord};
use network::{RejectionCode, ResolveRequest};

use super::complete::hand_in;
use crate::clearing::booking::{Booking, Standing};
use crate::clearing::statement;
use crate::error::Error;
use crate::store::Store;
use crate::store::transfers::TransferState;
use crate::vault::Vault;

/// Whether the load or unload moved value.
pub(crate) fn resolve(
    store: &mut Store,
    vault: &Vault,
    request: &ResolveRequest,
    now: Time,
) -> Result<bool, Error> {
    check(vault, request)?;
    let PreviousSignature { statement, .. } = request.previous;
    let receipt = request.previous.to_receipt();
    let malformed =
        |_| Error::rejected(RejectionCode::Malformed, "the receipt in the purse's answer is malformed");
    if let Some(entry) = receipt.map_err(malformed)? {
        hand_in(store, vault, ValueRecord { identity: statement.identity, entry }, now)?;
        return Ok(true);
    }
    let state = store.transaction("transfer: resolve", |tx| {
        let mut booking = Booking::new(tx, vault, now);
        let state = not_found(&mut booking, request)?;
        booking.finish()?;
        Ok(state)
    })?;
    match state {
        Some(TransferState::Confirmed | TransferState::Complete) => Ok(true),
        Some(TransferState::Reversed | TransferState::Refused) | None => Ok(false),
        Some(TransferState::Pending) => {
            let text = "the purse has moved value since; the record of that will decide, ask again later";
            Err(Error::rejected(RejectionCode::Unavailable, text))
        }
    }
}

/// Whether the purse made this answer, about this session, to this asker, and it is final.
fn check(vault: &Vault, request: &ResolveRequest) -> Result<(), Error> {
    let ResolveRequest { counterpart, previous, nt } = request;
    let wrong = |text: &str| Error::rejected(RejectionCode::WrongMac, text);
    if (previous.by, previous.asked) != (Search::Nt, *nt) {
        return Err(wrong("the purse was asked about another session; ask again"));
    }
    if previous.key.group != 0 {
        return Err(wrong("the purse answered under a PSAM's key; ask with group 00"));
    }
    let position = previous.statement.position;
    let context = SessionContext {
        kind: Kind::Recovery,
        nt: position.nt,
        random: Random::default(),
        counterpart: *counterpart,
    };
    let key = vault
        .previous_key(previous.statement.identity.iep, previous.key, &context)
        .map_err(|error| wrong(&error.to_string()))?;
    if key.sign(&previous.input(*counterpart)) != previous.mac {
        return Err(wrong("the MAC over the purse's answer is wrong; ask again with a fresh challenge"));
    }
    if *nt > position.nt {
        return Err(wrong("the purse has not come to that session; there is nothing to resolve yet"));
    }
    Ok(())
}

/// The purse has no receipt of that session. Its MAC does not say whether it was asked by
/// NT or by NV, so that what counts is where it stands: its session is over, and that is
/// as good as a statement of the next one.
fn not_found(booking: &mut Booking<'_>, request: &ResolveRequest) -> Result<Option<TransferState>, Error> {
    let Statement { identity, position } = request.previous.statement;
    let state = |booking: &Booking<'_>| {
        let transfer = booking.tx.transfer(identity.iep, request.nt)?;
        Ok(transfer.map(|transfer| transfer.state))
    };
    let known = state(booking)?;
    if known != Some(TransferState::Pending) {
        return Ok(known);
    }
    let nt = position.nt.next().unwrap_or(position.nt);
    statement::check(booking, identity.iep, &position)?;
    booking.observe(identity.iep, Standing { nt, ..Standing::from(position) })?;
    booking.resolve(identity.iep)?;
    state(booking)
}
