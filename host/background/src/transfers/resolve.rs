//! What a purse answers to GET PREVIOUS IEP SIGNATURE: the receipt of a load or unload,
//! or that the session moved no value, which is final because the session is over.

use apdu_spec::crypto::session_key::SessionContext;
use apdu_spec::element::{Kind, Random, Time};
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::ValueRecord;
use network::{RejectionCode, ResolveRequest};

use super::complete::hand_in;
use super::pending::reverse;
use crate::clearing::booking::Booking;
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
    store.transaction("transfer: resolve", |tx| {
        let mut booking = Booking::new(tx, vault, now);
        let credited = not_found(&mut booking, request)?;
        booking.finish()?;
        Ok(credited)
    })
}

/// Whether the purse made this answer, about this session, to this asker, and it is final.
fn check(vault: &Vault, request: &ResolveRequest) -> Result<(), Error> {
    let ResolveRequest { counterpart, previous, nt } = request;
    let wrong = |text: &str| Error::rejected(RejectionCode::WrongMac, text);
    if previous.asked != *nt {
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

/// The purse has no receipt of that session. A load shows in the NV of the last load even
/// where its receipt has been taken over.
fn not_found(booking: &mut Booking<'_>, request: &ResolveRequest) -> Result<bool, Error> {
    let statement = &request.previous.statement;
    let Some(transfer) = booking.tx.transfer(statement.identity.iep, request.nt)? else { return Ok(false) };
    match transfer.state {
        TransferState::Confirmed | TransferState::Complete => Ok(true),
        TransferState::Reversed | TransferState::Refused => Ok(false),
        TransferState::Pending => {
            let loaded = transfer.kind() == Kind::Load && statement.position.nv_load > transfer.nv_before();
            if loaded {
                booking.tx.set_transfer_state(&transfer, TransferState::Confirmed)?;
            } else {
                reverse(booking, &transfer)?;
            }
            Ok(loaded)
        }
    }
}
