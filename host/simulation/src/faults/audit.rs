//! The books of the background system held against the model.
//!
//! At any moment: no line without a true event and none that is missing, the same shadow
//! balances, both lines of the money equation, nothing forgotten. At the end also: every
//! value commit has come in, unless only a purse that is lost knew of it.

use apdu_spec::element::{Counter, IepId};
use background::clearing::exception::Reason;
use background::store::commits::{CommitState, Line};
use background::{Background, Books};

use super::people::PEOPLE;
use super::rates::{Fault, Rates};
use super::system::{currency, provider};
use super::truth::{Truth, kind, purse_of, sam_of};
use crate::Error;
use crate::model::oracle::{self, Place};
use crate::model::{Commit, Entry, Kind};

/// A value commit as the books name it.
pub(super) fn commit_of(iep: IepId, nv: Counter) -> Commit {
    (purse_of(iep.number.get()), nv.get() as usize)
}

/// Holds the books and the model against each other: lines, shadow balances, both lines of
/// the money equation.
pub fn lines(background: &mut Background, truth: &mut Truth) -> Result<(), Error> {
    let mut count = 0;
    background.commits(|iep, line| {
        count += 1;
        line_is_true(iep, &line, truth);
    })?;
    let model = &truth.model;
    let known = model.commits().filter(|(commit, _)| model.line(*commit).is_some()).count();
    let (equation, missing) = (model.equation(), model.completeness());
    truth.must(count == known, || format!("the books have {count} value commits, {known} have come in"));
    truth.must(equation.holds(), || format!("money was made or lost: {equation:?}"));
    truth.must(missing.is_empty(), || format!("nobody knows of {missing:?}"));
    for (index, line) in background.purses()?.iter().enumerate() {
        let (books, shadow) = (line.shadow.minor, truth.model.purses[index].shadow);
        truth.must(books == shadow, || format!("purse {index} has shadow balance {books}, must be {shadow}"));
    }
    let books = background.books(provider(), currency())?;
    truth.must(books.holds() && books.covered(), || format!("the books do not balance: {books:?}"));
    Ok(())
}

/// Holds what merchants have been paid, as the books say even where an answer was lost, against what
/// may have left so far.
pub(super) fn paid_out(background: &mut Background, truth: &mut Truth) -> Result<(), Error> {
    for statement in background.merchant_statements()? {
        let number = statement.name.rsplit(' ').next().and_then(|number| number.parse().ok());
        let sam = sam_of(number.unwrap_or_default());
        let may = if sam < truth.model.sams.len() { truth.model.payable(sam) } else { 0 };
        let paid = statement.settled;
        truth.must(paid <= may, || format!("{} was paid {paid}; payable were {may}", statement.name));
    }
    Ok(())
}

/// Holds a line against the model.
pub(super) fn line_is_true(iep: IepId, line: &Line, truth: &mut Truth) {
    let commit = commit_of(iep, line.nv);
    let known = truth.model.entry(commit).ok().copied().zip(truth.model.line(commit));
    let paid = line.state != CommitState::Settled || truth.model.is_payable(commit);
    let same = known
        .is_some_and(|(entry, stands)| paid && is_same(&entry, line) && state_is_true(stands, line.state));
    truth.must(same, || format!("the books say of {commit:?} {line:?}; what is true is {known:?}"));
}

fn is_same(entry: &Entry, line: &Line) -> bool {
    let order = &entry.order;
    let same = (Some(order.kind), order.amount) == (kind(line.kind), line.amount.get().into());
    // A cancellation has no number of its own, and loads are numbered by their terminal.
    let number = (sam_of(line.sam.number.get()), line.nt_sam.get() as usize);
    same && (order.kind != Kind::Purchase || order.purchase == Some(number))
}

/// Whether a line may be in its state. Whether a merchant was paid, the books alone know.
const fn state_is_true(stands: oracle::Line, state: CommitState) -> bool {
    use CommitState as S;
    match stands {
        oracle::Line::Recorded => matches!(state, S::Recorded),
        // Its own PSAM may not have handed it in.
        oracle::Line::Booked => matches!(state, S::Unconfirmed | S::Booked | S::Settled),
        oracle::Line::Voided => matches!(state, S::Voided | S::Refunded),
        oracle::Line::Cancelled => matches!(state, S::Cancelled),
    }
}

/// What the books are short of, at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Missing {
    /// Payments that are settled.
    pub settled: u64,
    /// Payments that their PSAM has voided and their purse has not taken back: owed to holders.
    pub voided: u64,
    /// Value commits that only purses know which are lost.
    pub in_doubt: u64,
    /// Value commits that somebody still keeps, or nobody.
    pub missing: u64,
}

/// Counts what is in the books, and what is not.
pub fn completeness(background: &mut Background, truth: &Truth) -> Result<Missing, Error> {
    let mut found = Missing::default();
    background.commits(|_, line| {
        found.voided += u64::from(line.state == CommitState::Voided);
        found.settled += u64::from(line.state == CommitState::Settled);
    })?;
    for (commit, entry) in truth.model.commits() {
        match truth.model.place(commit, entry) {
            Place::Background => {}
            Place::InDoubt | Place::Lost => found.in_doubt += 1,
            Place::Kept | Place::Missing => found.missing += 1,
        }
    }
    Ok(found)
}

/// What must be so at the end.
pub fn verdict(background: &mut Background, truth: &mut Truth, rates: &Rates) -> Result<(), Error> {
    lines(background, truth)?;
    for discrepancy in background.reconcile()? {
        truth.violate(|| format!("the books contradict themselves: {discrepancy:?}"));
    }
    for (index, line) in background.purses()?.iter().enumerate() {
        let Some(purse) = truth.model.purses.get(index) else { continue };
        let (lost, balance) = (purse.dead, purse.balance);
        truth.must(!line.hotlisted, || format!("purse {index} is on the hotlist, and is honest"));
        let settled = line.shadow.minor == balance && !line.doubts;
        truth.must(lost || settled, || {
            format!("purse {index} has {balance}; the books say {line:?}, after everybody has met")
        });
    }
    for exception in background.exceptions()?.iter().filter(|line| line.open) {
        let known = explains(&exception.reason, rates);
        truth.must(known, || format!("an exception that nobody has caused: {exception:?}"));
    }
    let books: Books = background.books(provider(), currency())?;
    let none_lost = truth.model.purses.iter().all(|purse| !purse.dead);
    truth.must(books.claims == 0 || !none_lost, || format!("claims are open at the end: {books:?}"));
    Ok(())
}

/// Whether something that happens in this run explains an exception.
fn explains(reason: &str, rates: &Rates) -> bool {
    let is = |reasons: &[Reason]| reasons.iter().any(|known| known.code() == reason);
    let on = |fault| rates.of(fault) > 0;
    // A receipt may have been settled before the purchase was taken back at its terminal.
    let late = [Reason::VoidedLate, Reason::CancelledLate];
    let damaged = [
        Reason::UnknownModule,
        Reason::WrongS4,
        Reason::WrongTotals,
        Reason::WrongChain,
        Reason::WrongS5,
        Reason::UnknownPurse,
        Reason::UnknownKey,
        Reason::WrongMac,
        Reason::ForgedPurse,
        Reason::WrongCurrency,
        Reason::OutOfBounds,
        Reason::UnknownTransfer,
        Reason::CancelsNothing,
        Reason::ForeignRecord,
        Reason::NoValue,
        Reason::TooManyWaiting,
    ];
    is(&late)
        || [Fault::Corrupt, Fault::Rewrite, Fault::Relay].into_iter().chain(PEOPLE).any(on) && is(&damaged)
        || on(Fault::Forge)
            && is(&[Reason::ForgedPurse, Reason::BatchDiffers, Reason::BatchLink, Reason::BatchGap])
}
