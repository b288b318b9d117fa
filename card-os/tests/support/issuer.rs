//! The issuer's side: authorises loads, checks S6 and batches, acknowledges. Written from
//! the declarations in `apdu_spec` alone, without the card's code.

use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext};
use apdu_spec::element::{
    Amount, Balance, BatchNumber, Counter, KeyReference, Kind, Mac, SamCounter, SamId, Time,
};
use apdu_spec::personalisation::Function;
use apdu_spec::purse::{Execute, Initialized};
use apdu_spec::record::{
    BatchRecord, Counterpart, Decision, LogEntry, Order, Position, Statement, Terms, ValueRecord,
    balance_after,
};
use apdu_spec::signature::{ChainLink, Heading, Name, S1, S2, S5, S6};

use apdu_spec::wire::List;

use super::{key_of, sam_id};

/// An order to load under the load key, whatever the purse has stated.
pub fn sign_load(initialized: &Initialized, counterpart: Counterpart, order: Order) -> Execute {
    let Initialized { key, statement, s1 } = *initialized;
    let (card_key, context) = session(Function::Load, key, Kind::Load, &statement, counterpart);
    sign_order(&card_key, &context, key, s1, counterpart, order)
}

/// The session keys of a purse, from a master key.
pub fn session(
    function: Function,
    key: KeyReference,
    kind: Kind,
    stated: &Statement,
    counterpart: Counterpart,
) -> (DerivationKey, SessionContext) {
    let card_key = key_of(stated.identity.iep, function, key);
    let Position { nt, random, .. } = stated.position;
    let context = SessionContext { kind, nt, random, counterpart };
    (DerivationKey::new(card_key, key.algorithm), context)
}

/// Checks S1 of a load or unload and makes S2.
pub fn authorise(
    kind: Kind,
    initialized: &Initialized,
    counterpart: Counterpart,
    amount: Amount,
    approve: bool,
) -> Execute {
    let Initialized { key, statement, s1 } = *initialized;
    let position = statement.position;
    let (card_key, context) = session(Function::Load, key, kind, &statement, counterpart);
    let k1 = card_key.statement_key(&context);
    let heading = Heading::new(Name::S1, kind, key);
    assert_eq!(k1.mac_key().sign(&S1 { heading, statement, counterpart, amount }), s1, "S1");

    let decision = match balance_after(kind, position.balance, amount) {
        Some(after) if approve => Decision::Approved(after),
        _ => Decision::Refused,
    };
    let order = Order {
        amount,
        time: Time(1_700_000_000),
        nt: SamCounter(77),
        taken_over: Counter::new(position.nv.get() - u32::from(position.receipts)).unwrap(),
        terms: Terms::decision(decision),
    };
    sign_order(&card_key, &context, key, s1, counterpart, order)
}

/// The order under S2.
pub fn sign_order(
    card_key: &DerivationKey,
    context: &SessionContext,
    key: KeyReference,
    s1: Mac,
    counterpart: Counterpart,
    order: Order,
) -> Execute {
    let ks = card_key.statement_key(context).order_key(order.nt);
    let heading = Heading::new(Name::S2, context.kind, key);
    Execute { order, s2: ks.sign(&S2 { heading, s1, sam: counterpart.sam, order }) }
}

/// An order for a purchase as the PSAM would give it, were its key stolen: for reaching
/// what an honest PSAM never orders.
pub fn forge_order(initialized: &Initialized, counterpart: Counterpart, order: Order) -> Execute {
    let Initialized { key, statement, s1 } = *initialized;
    let (card_key, context) = session(Function::Purchase, key, Kind::Purchase, &statement, counterpart);
    sign_order(&card_key, &context, key, s1, counterpart, order)
}

/// The word of a value commit to the issuer is right, and with it the balance after it.
/// `stated` is the position that S1 stated; a cancellation goes on under the session of
/// its purchase.
pub fn check_s6(value: &ValueRecord, stated: Position) -> Balance {
    assert_eq!(expected_s6(value, stated), value.entry.s6, "S6");
    value.entry.balance_after().unwrap()
}

/// S6 as the purse of this record must have made it.
pub fn expected_s6(value: &ValueRecord, stated: Position) -> Mac {
    let ValueRecord { identity, entry } = *value;
    let LogEntry { kind, key, position, counterpart, order, .. } = entry;
    let session_kind = if kind == Kind::Cancellation { Kind::Purchase } else { kind };
    let function = if session_kind == Kind::Purchase { Function::Purchase } else { Function::Load };
    let statement = Statement { identity, position: stated };
    let (card_key, context) = session(function, key, session_kind, &statement, counterpart);
    let k1 = card_key.statement_key(&context);
    let amount = if session_kind == Kind::Purchase { Amount::default() } else { order.amount };
    let heading = |name| Heading::new(name, session_kind, key);
    let s1 = k1.mac_key().sign(&S1 { heading: heading(Name::S1), statement, counterpart, amount });
    let ks = k1.order_key(order.nt);
    let s2 = ks.sign(&S2 { heading: heading(Name::S2), s1, sam: counterpart.sam, order });

    let certificate = KeyReference { group: 0, ..key };
    let (card_key, context) =
        session(Function::Certificate, certificate, session_kind, &statement, counterpart);
    let balance = entry.balance_after().unwrap();
    card_key.certificate_key(&context).sign(&S6 {
        heading: Heading::new(Name::S6, kind, key),
        statement: Statement { identity, position },
        counterpart,
        order,
        s2,
        balance,
        nv: entry.nv().unwrap(),
    })
}

pub fn record_key(sam: SamId, batch: BatchNumber, reference: KeyReference) -> MacKey {
    let key = key_of(sam, Function::Record, reference);
    DerivationKey::new(key, reference.algorithm).record_key(batch)
}

/// A batch is whole and genuine.
pub fn check_batch(trailer: &Trailer, records: &[BatchRecord], reference: KeyReference) {
    let key = record_key(trailer.sam, trailer.batch, reference);
    assert_eq!(usize::from(trailer.count), records.len());
    let mut chain = Mac::default();
    for record in records {
        let heading = Heading::new(Name::S5, record.value.entry.kind, reference);
        let unsigned = BatchRecord { s5: Mac::default(), ..*record };
        assert_eq!(key.sign(&S5 { heading, record: unsigned }), record.s5, "S5");
        let heading = Heading::new(Name::Chain, Kind::Purchase, reference);
        let (previous, batch) = (chain, trailer.batch);
        chain = key.sign(&ChainLink { heading, batch, previous, s5: record.s5 });
    }
    assert_eq!(chain, trailer.chain);
    assert_eq!(key.sign(&trailer.input(reference)), trailer.s4, "S4");
}

/// The acknowledgement of a batch with this S4.
pub fn acknowledge(batch: BatchNumber, s4: Mac, reference: KeyReference) -> Acknowledgement {
    acknowledge_to(sam_id(), batch, s4, reference)
}

/// The same for another PSAM.
pub fn acknowledge_to(sam: SamId, batch: BatchNumber, s4: Mac, reference: KeyReference) -> Acknowledgement {
    let (time, list_min, resolved, mac) = (Time(1_700_000_000), 0, List::new(), Mac::default());
    let mut acknowledgement = Acknowledgement { sam, batch, s4, time, list_min, resolved, mac };
    acknowledgement.mac = record_key(sam, batch, reference).sign(&acknowledgement.input(reference));
    acknowledgement
}
