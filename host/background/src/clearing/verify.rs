//! Every MAC of a value commit, recomputed from the master keys (design, Transactions).
//!
//! A value record is enough to recompute S1 and S2, which do not travel; S3 and S6 are
//! compared. A cancellation is made in the session of its purchase, and its S3 and S6
//! cover the S2 of that purchase, so the purchase has to be at hand.

use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::{SessionContext, StatementKey};
use apdu_spec::element::{Amount, Counter, KeyReference, Kind, Mac, SamId};
use apdu_spec::record::{Counterpart, LogEntry, Order, Statement, ValueRecord};
use apdu_spec::signature::{Heading, Name, S1, S2, S3, S6};

use super::exception::Reason;
use crate::vault::Vault;

/// Checks a purchase, load or unload.
pub(crate) fn verify(vault: &Vault, value: &ValueRecord) -> Result<(), Reason> {
    let (order_key, s2) = order_mac(vault, value)?;
    check_word(vault, value, &order_key, s2)
}

/// Checks a cancellation against the purchase that it takes back.
pub(crate) fn verify_cancellation(
    vault: &Vault,
    value: &ValueRecord,
    purchase: &ValueRecord,
) -> Result<(), Reason> {
    let (back, bought) = (&value.entry, &purchase.entry);
    let same_session = (back.key, back.counterpart, back.order)
        == (bought.key, bought.counterpart, bought.order)
        && (back.position.nt, back.position.random) == (bought.position.nt, bought.position.random);
    let follows =
        bought.nv() == Some(back.position.nv) && bought.balance_after() == Some(back.position.balance);
    if bought.kind != Kind::Purchase || !same_session || !follows || value.identity != purchase.identity {
        return Err(Reason::CancelsNothing);
    }
    let (order_key, s2) = order_mac(vault, purchase)?;
    check_word(vault, value, &order_key, s2)
}

/// S1 of a purse, made with K1 of its session.
pub(crate) fn statement_mac(
    key: &StatementKey,
    kind: Kind,
    reference: KeyReference,
    statement: Statement,
    counterpart: Counterpart,
    amount: Amount,
) -> Mac {
    // S1 of a purchase is made before its amount is known.
    let amount = if kind == Kind::Purchase { Amount::default() } else { amount };
    key.mac_key().sign(&S1 {
        heading: Heading::new(Name::S1, kind, reference),
        statement,
        counterpart,
        amount,
    })
}

/// S2 over an order, made with KS.
pub(crate) fn order_signature(
    key: &MacKey,
    kind: Kind,
    reference: KeyReference,
    s1: Mac,
    sam: SamId,
    order: Order,
) -> Mac {
    key.sign(&S2 { heading: Heading::new(Name::S2, kind, reference), s1, sam, order })
}

/// The context of a session; a cancellation happens in that of its purchase.
pub(crate) const fn context(kind: Kind, statement: &Statement, counterpart: Counterpart) -> SessionContext {
    let kind = match kind {
        Kind::Cancellation => Kind::Purchase,
        other => other,
    };
    SessionContext { kind, nt: statement.position.nt, random: statement.position.random, counterpart }
}

/// Whether a key of this group makes the MACs of this type of transaction.
pub(crate) const fn group_fits(kind: Kind, group: u8) -> bool {
    match kind {
        Kind::Load | Kind::Unload => group == 0,
        Kind::Purchase | Kind::Cancellation => group != 0,
        Kind::Recovery => false,
    }
}

/// KS and S2 of a session, from the statement and the order.
fn order_mac(vault: &Vault, value: &ValueRecord) -> Result<(MacKey, Mac), Reason> {
    let LogEntry { kind, key, counterpart, order, .. } = value.entry;
    if !group_fits(kind, key.group) {
        return Err(Reason::UnknownKey);
    }
    let statement = statement(value);
    let covered = vault.covered(statement);
    let context = context(kind, &covered, counterpart);
    let k1 = vault.statement_key(value.identity.iep, key, &context).map_err(|_| Reason::UnknownKey)?;
    let s1 = statement_mac(&k1, kind, key, covered, counterpart, order.amount);
    let order_key = k1.order_key(order.nt);
    let s2 = order_signature(&order_key, kind, key, s1, counterpart.sam, order);
    Ok((order_key, s2))
}

/// S3 first: where it is good and S6 is not, the counterpart's key was used without a
/// purse of ours.
fn check_word(vault: &Vault, value: &ValueRecord, order_key: &MacKey, s2: Mac) -> Result<(), Reason> {
    let LogEntry { kind, key, counterpart, order, s3, s6, .. } = value.entry;
    if order_key.sign(&S3 { heading: Heading::new(Name::S3, kind, key), s2, s6 }) != s3 {
        return Err(Reason::WrongMac);
    }
    let balance = value.entry.balance_after().ok_or(Reason::OutOfBounds)?;
    let nv: Counter = value.entry.nv().ok_or(Reason::OutOfBounds)?;
    let statement = statement(value);
    let context = context(kind, &statement, counterpart);
    let certificate =
        vault.certificate_key(value.identity.iep, key, &context).map_err(|_| Reason::UnknownKey)?;
    let heading = Heading::new(Name::S6, kind, key);
    let right = certificate.sign(&S6 { heading, statement, counterpart, order, s2, balance, nv }) == s6;
    if !right && !vault.off().certificates {
        return Err(Reason::ForgedPurse);
    }
    Ok(())
}

const fn statement(value: &ValueRecord) -> Statement {
    Statement { identity: value.identity, position: value.entry.position }
}
