//! Books one record: looks at what it is, whether its purse may do that, and posts it.

use apdu_spec::element::{Amount, BatchNumber, Kind, SamId};
use apdu_spec::record::{BatchRecord, Outcome, ValueRecord};

use super::booking::Booking;
use super::cancellation;
use super::claims;
use super::deduplicate::{Once, again, guaranteed_state, note_guarantee, once};
use super::exception::Reason;
use super::statement;
use crate::error::Error;
use crate::ledger::chart;
use crate::ledger::posting::Event;
use crate::management::participants::MerchantId;
use crate::store::commits::{Commit, CommitState, Evidence, Source};
use crate::store::participants::Role;
use crate::transfers::complete;
use crate::vault::Vault;

/// A record on its way to the books.
pub(crate) struct Item {
    /// The record as it came in.
    pub(crate) evidence: Evidence,
    /// What became of it, as its sender says.
    pub(crate) outcome: Outcome,
    /// Who handed it in.
    pub(crate) source: Source,
    /// The module and batch it came in.
    pub(crate) sender: Option<(SamId, BatchNumber)>,
    /// What its MACs say; of a cancellation, nothing yet.
    pub(crate) verdict: Result<(), Reason>,
}

impl Item {
    /// A record of a batch.
    pub(crate) const fn of_batch(record: &BatchRecord, verdict: Result<(), Reason>) -> Self {
        let own = !matches!(record.outcome, Outcome::Receipt);
        Self {
            evidence: Evidence::Batch(*record),
            outcome: record.outcome,
            source: if own { Source::Own } else { Source::Receipt },
            sender: Some((record.sam, record.batch)),
            verdict,
        }
    }
}

/// Whether a record was taken; where not, it is in the exception queue.
pub(crate) type Taken = Result<Result<(), Reason>, Error>;

/// Books a record, or keeps it as an exception.
pub(crate) fn post(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let value = item.evidence.value();
    if item.source == Source::Own && !is_own_purchase(item) {
        return booking.refuse(item, Reason::ForeignRecord);
    }
    if let Err(reason) = known(booking, value)? {
        return booking.refuse(item, reason);
    }
    if value.entry.order.amount == Amount::default() {
        return booking.refuse(item, Reason::ZeroAmount);
    }
    if is_without_word(item.outcome, value) {
        return claims::note(booking, item);
    }
    if let Err(reason) = item.verdict {
        return booking.refuse(item, reason);
    }
    match value.entry.kind {
        Kind::Purchase => purchase(booking, item),
        Kind::Cancellation => cancellation::cancel(booking, item),
        Kind::Load | Kind::Unload => complete::complete(booking, item),
        Kind::Recovery => booking.refuse(item, Reason::NoValue),
    }
}

/// A PSAM speaks for its own purchases only; everything else it hands in as a receipt.
fn is_own_purchase(item: &Item) -> bool {
    let entry = &item.evidence.value().entry;
    entry.kind == Kind::Purchase && item.sender.is_some_and(|(sam, _)| sam == entry.counterpart.sam)
}

/// A PSAM's word alone: a claim, or that it does not ask for payment. Whatever is not one
/// of these is booked on the purse's word and needs its MACs verified.
pub(crate) fn is_without_word(outcome: Outcome, value: &ValueRecord) -> bool {
    match outcome {
        Outcome::NotDebited => true,
        Outcome::Unresolved | Outcome::Voided => (value.entry.s3, value.entry.s6) == Default::default(),
        Outcome::Credited | Outcome::Receipt => false,
    }
}

/// Whether the purse was issued here, in this currency.
fn known(booking: &mut Booking<'_>, value: &ValueRecord) -> Result<Result<(), Reason>, Error> {
    let Some(purse) = booking.purse(value.identity.iep)? else { return Ok(Err(Reason::UnknownPurse)) };
    let same = purse.currency == value.identity.currency;
    Ok(if same { Ok(()) } else { Err(Reason::WrongCurrency) })
}

/// Whether the purse may pay: not expired, within its bounds. Whether it was hotlisted, the guarantee
/// looks at.
fn may_pay(booking: &mut Booking<'_>, value: &ValueRecord) -> Result<Result<(), Reason>, Error> {
    let Some(purse) = booking.purse(value.identity.iep)? else { return Ok(Err(Reason::UnknownPurse)) };
    let time = value.entry.order.time;
    let floor = -purse.overdraft.signed();
    let in_bounds = |balance: i32| (floor..=purse.maximum.0).contains(&balance);
    Ok(if time.date() > purse.expiry {
        Err(Reason::Expired)
    } else if !value.entry.balance_after().is_some_and(|after| in_bounds(after.0)) {
        Err(Reason::OutOfBounds)
    } else {
        Ok(())
    })
}

/// The merchant whose PSAM took a payment.
pub(crate) fn merchant_of(booking: &mut Booking<'_>, sam: SamId) -> Result<Option<MerchantId>, Error> {
    let module = booking.module(sam)?.filter(|module| module.role == Role::Psam);
    Ok(module.and_then(|module| module.merchant))
}

/// Whether the word of this source makes a payment owed to its merchant: its own PSAM's alone.
const fn is_payable(vault: &Vault, source: Source) -> bool {
    match source {
        Source::Own => true,
        Source::Receipt => vault.off().own_batch,
        Source::Terminal => vault.off().own_batch || vault.off().transfers_alone,
    }
}

/// A purchase: owed to the merchant once its PSAM has handed it in, or to the holder where its PSAM
/// voided it.
fn purchase(booking: &mut Booking<'_>, item: &Item) -> Taken {
    let value = item.evidence.value();
    let Some(merchant) = merchant_of(booking, value.entry.counterpart.sam)? else {
        return booking.refuse(item, Reason::UnknownModule);
    };
    if let Err(reason) = may_pay(booking, value)? {
        return booking.refuse(item, reason);
    }
    let batch = item.sender.map(|(_, batch)| batch).filter(|_| item.source == Source::Own);
    let verdict = booking.guaranteed(value, batch)?;
    let state = match item.outcome {
        Outcome::Voided => CommitState::Voided,
        _ if is_payable(booking.vault, item.source) => guaranteed_state(verdict),
        _ => CommitState::Unconfirmed,
    };
    let nv = match once(booking, item, state, batch)? {
        Once::First(nv) => nv,
        Once::Again(known) => return again(booking, item, &known),
        Once::Contradicts(reason) => return booking.refuse(item, reason),
    };
    let (iep, amount) = (value.identity.iep, i64::from(value.entry.order.amount.get()));
    let movement = chart::purchase(CommitState::Recorded, state, iep.provider, merchant);
    booking.move_shadow(iep, -amount)?;
    booking.journal.post(Event::Payment(iep, nv), movement, value.identity.currency, amount)?;
    if matches!(state, CommitState::Booked | CommitState::Withheld) {
        note_guarantee(booking, value, batch, verdict)?;
    }
    let known = Commit { evidence: item.evidence, state, source: item.source };
    claims::meet_purchase(booking, &known, nv)?;
    cancellation::meet_purchase(booking, iep, nv)?;
    statement::take_up(booking, iep, &value.entry.position)?;
    Ok(Ok(()))
}
