//! Whether each posting follows from its evidence, each balance from the postings, and each
//! settlement from its payments.

use apdu_spec::element::{Counter, Currency, IepId, Kind};

use super::finding::{Finding, FindingKind};
use crate::clearing::reconcile::reconcile;
use crate::error::Error;
use crate::ledger::chart::{self, Movement};
use crate::management::participants::MerchantId;
use crate::store::Tx;
use crate::store::audit::FullPosting;
use crate::store::code;
use crate::store::commits::CommitState;
use crate::store::transfers::TransferState;
use crate::transfers::pending::movement;

/// What the evidence of a posting leads to: one of these movements, of this amount.
struct Due {
    movements: Vec<Movement>,
    currency: Currency,
    amount: i64,
}

/// All findings about the ledger.
pub(super) fn check(tx: &Tx<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let checks = [postings(tx), unposted(tx), shadows(tx), settlements(tx), reconciled(tx)];
    for found in checks {
        let unreadable =
            |error: Error| vec![Finding::new(FindingKind::Unreadable, "the ledger", error.to_string())];
        findings.extend(found.unwrap_or_else(unreadable));
    }
    findings
}

fn finding(about: impl Into<String>, what: impl Into<String>) -> Finding {
    Finding::new(FindingKind::Ledger, about, what)
}

fn postings(tx: &Tx<'_>) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    tx.audited_postings(|posting| {
        let posting = match posting {
            Ok(posting) => posting,
            Err(error) => {
                findings.push(Finding::new(FindingKind::Unreadable, "a posting", error.to_string()));
                return Ok(());
            }
        };
        let follows = due(tx, &posting).map(|due| due.is_some_and(|due| due.is(&posting)));
        if !follows.unwrap_or(false) {
            let FullPosting { event, subject, number, .. } = posting;
            let about = format!("posting, event {event}, subject {subject}, number {number}");
            findings.push(finding(about, "does not follow from its evidence"));
        }
        Ok(())
    })?;
    Ok(findings)
}

impl Due {
    fn is(&self, posting: &FullPosting) -> bool {
        let currency = code::currency(self.currency);
        let accounts = |movement: &Movement| (movement.debit.key(), movement.credit.key());
        posting.amount == self.amount
            && posting.currencies == (currency, currency)
            && self.movements.iter().any(|movement| accounts(movement) == (posting.debit, posting.credit))
    }
}

/// What the evidence of a posting leads to; nothing where there is none.
fn due(tx: &Tx<'_>, posting: &FullPosting) -> Result<Option<Due>, Error> {
    if posting.event == 7 {
        return settled(tx, posting);
    }
    let iep = code::to_iep(posting.subject)?;
    let number = u32::try_from(posting.number).ok().and_then(Counter::new);
    let number = number.ok_or(Error::Damaged("counter"))?;
    match posting.event {
        1..=3 | 8 | 9 => purchase(tx, posting.event, iep, number),
        4..=6 => transfer(tx, posting.event, iep, number),
        _ => Ok(None),
    }
}

/// Payment, voided, cancelled, confirmed, refunded.
fn purchase(tx: &Tx<'_>, event: u8, iep: IepId, nv: Counter) -> Result<Option<Due>, Error> {
    let Some(commit) = tx.commit(iep, nv)? else { return Ok(None) };
    let value = commit.evidence.value();
    let merchant = tx.module(value.entry.counterpart.sam)?.and_then(|module| module.merchant);
    let Some(merchant) = merchant.filter(|_| value.entry.kind == Kind::Purchase) else { return Ok(None) };
    if event == 9 && !tx.are_refunded(iep, value.entry.order.amount)? {
        return Ok(None);
    }
    let movement = |(from, to)| chart::purchase(from, to, iep.provider, merchant);
    let movements = ways(tx, event, iep, nv)?.into_iter().map(movement).collect();
    let (currency, amount) = (value.identity.currency, value.entry.order.amount.get().into());
    Ok(Some(Due { movements, currency, amount }))
}

/// From which state to which a purchase goes in an event.
fn ways(tx: &Tx<'_>, event: u8, iep: IepId, nv: Counter) -> Result<Vec<(CommitState, CommitState)>, Error> {
    use CommitState::{Booked, Cancelled, Recorded, Refunded, Settled, Unconfirmed, Voided, Withheld};
    Ok(match event {
        1 => [Booked, Unconfirmed, Voided, Withheld].map(|to| (Recorded, to)).into(),
        2 => [Booked, Unconfirmed, Withheld].map(|from| (from, Voided)).into(),
        8 => [Booked, Withheld].map(|to| (Unconfirmed, to)).into(),
        9 => vec![(Voided, Refunded)],
        _ if !tx.is_taken_back(iep, nv)? => vec![],
        _ => [Booked, Unconfirmed, Voided, Withheld, Settled].map(|from| (from, Cancelled)).into(),
    })
}

/// Load, its reversal, unload.
fn transfer(tx: &Tx<'_>, event: u8, iep: IepId, nt: Counter) -> Result<Option<Due>, Error> {
    let Some(transfer) = tx.transfer(iep, nt)? else { return Ok(None) };
    let load = transfer.kind() == Kind::Load;
    let movements = match (event, transfer.state) {
        (4, TransferState::Refused) => vec![],
        (4, _) if load => vec![movement(&transfer)],
        (5, TransferState::Reversed) if load => vec![movement(&transfer).reversed()],
        (6, TransferState::Complete) if !load => vec![movement(&transfer).reversed()],
        _ => vec![],
    };
    let currency = transfer.request.initialized.statement.identity.currency;
    Ok(Some(Due { movements, currency, amount: transfer.amount().get().into() }))
}

fn settled(tx: &Tx<'_>, posting: &FullPosting) -> Result<Option<Due>, Error> {
    let (settlement, currency) = (posting.subject >> 24, posting.subject & 0x00FF_FFFF);
    let merchant = u32::try_from(posting.number).map_err(|_| Error::Damaged("merchant"))?;
    let total = tx.line_total(settlement, posting.number, currency)?;
    let movements = vec![chart::settlement(MerchantId(merchant))];
    let currency = code::to_currency(currency)?;
    Ok(total.map(|amount| Due { movements, currency, amount }))
}

fn unposted(tx: &Tx<'_>) -> Result<Vec<Finding>, Error> {
    Ok(tx.unposted()?.into_iter().map(|about| finding(about, "has no posting")).collect())
}

fn shadows(tx: &Tx<'_>) -> Result<Vec<Finding>, Error> {
    let wrong = tx.wrong_shadows()?.into_iter().map(|(iep, shadow, sum)| {
        finding(format!("shadow balance of purse {iep}"), format!("is {shadow}, and its postings make {sum}"))
    });
    Ok(wrong.collect())
}

fn settlements(tx: &Tx<'_>) -> Result<Vec<Finding>, Error> {
    let wrong = tx.wrong_settlements()?.into_iter();
    Ok(wrong.map(|about| finding(about, "are not those of its payments")).collect())
}

fn reconciled(tx: &Tx<'_>) -> Result<Vec<Finding>, Error> {
    let differs = reconcile(tx)?.into_iter().map(|discrepancy| {
        finding(discrepancy.about, format!("differ: {} and {}", discrepancy.expected, discrepancy.found))
    });
    Ok(differs.collect())
}
