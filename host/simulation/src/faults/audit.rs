//! The books of the background system held against what is true.
//!
//! At any moment: no line without a true event, and the books line of the money equation. At
//! the end also: no true event without a line, unless only a purse that is lost knew of it.

use apdu_spec::element::{IepId, Kind};
use background::clearing::exception::Reason;
use background::store::commits::{CommitState, Line};
use background::{Background, Books};

use super::rates::{Fault, Rates};
use super::slot::index_of;
use super::system::{currency, provider};
use super::truth::{Commit, Truth};
use crate::Error;

/// Holds every line against what is true.
pub fn lines(background: &mut Background, truth: &mut Truth) -> Result<(), Error> {
    background.commits(|iep, line| line_is_true(iep, &line, truth))?;
    let books = background.books(provider(), currency())?;
    truth.must(books.holds() && books.covered(), || format!("the books do not balance: {books:?}"));
    Ok(())
}

/// Holds a line against what is true.
pub fn line_is_true(iep: IepId, line: &Line, truth: &mut Truth) {
    let (purse, nv) = (index_of(iep.number.get()), line.nv.get());
    let commit = truth.commit_of(purse, nv).copied();
    let voided = truth.may_be_voided(line.sam.number.get(), line.nt_sam.get());
    let same = commit.is_some_and(|commit| is_same(&commit, line) && state_is_true(&commit, line, voided));
    truth.must(same, || format!("the books say of purse {purse} {line:?}; what is true is {commit:?}"));
}

fn is_same(commit: &Commit, line: &Line) -> bool {
    let same = (commit.kind, commit.amount) == (line.kind, line.amount.get());
    // A cancellation has no number of its own.
    let number = (commit.sam, commit.nt_sam) == (line.sam.number.get(), line.nt_sam.get());
    same && (number || commit.kind == Kind::Cancellation)
}

/// Whether a line may be in its state.
fn state_is_true(commit: &Commit, line: &Line, voided: bool) -> bool {
    match line.state {
        CommitState::Booked | CommitState::Settled => line.kind == Kind::Purchase,
        CommitState::Voided => voided,
        CommitState::Cancelled | CommitState::CancelledLate => commit.cancelled,
        CommitState::Recorded => line.kind != Kind::Purchase,
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
    /// Value commits of living purses that are not in the books.
    pub missing: u64,
}

/// Counts what is in the books, and what is not.
pub fn completeness(background: &mut Background, truth: &Truth) -> Result<Missing, Error> {
    let mut found = Missing::default();
    let mut lines: Vec<u32> = vec![0; truth.purses.len()];
    let mut open = 0_u64;
    background.commits(|iep, line| {
        let purse = index_of(iep.number.get());
        if let Some(count) = lines.get_mut(purse) {
            *count += 1;
        }
        let cancelled = truth.commit_of(purse, line.nv.get()).is_some_and(|commit| commit.cancelled);
        found.voided += u64::from(line.state == CommitState::Voided);
        found.settled += u64::from(line.state == CommitState::Settled);
        open += u64::from(cancelled && matches!(line.state, CommitState::Booked | CommitState::Settled));
    })?;
    for (purse, lines) in truth.purses.iter().zip(lines) {
        let missing = (purse.commits.len() as u64).saturating_sub(lines.into());
        if purse.lost {
            found.in_doubt += missing;
        } else {
            found.missing += missing;
        }
    }
    // A cancellation whose line is missing leaves its purchase as it was.
    found.missing = found.missing.max(open.saturating_sub(found.in_doubt));
    Ok(found)
}

/// What must be so at the end.
pub fn verdict(background: &mut Background, truth: &mut Truth, rates: &Rates) -> Result<(), Error> {
    lines(background, truth)?;
    for discrepancy in background.reconcile()? {
        truth.violate(|| format!("the books contradict themselves: {discrepancy:?}"));
    }
    for (index, line) in background.purses()?.iter().enumerate() {
        let Some(purse) = truth.purses.get(index) else { continue };
        let (lost, balance) = (purse.lost, purse.balance);
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
    let none_lost = truth.purses.iter().all(|purse| !purse.lost);
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
    ];
    is(&late)
        || (on(Fault::Corrupt) || on(Fault::Rewrite)) && is(&damaged)
        || on(Fault::Forge)
            && is(&[Reason::ForgedPurse, Reason::BatchDiffers, Reason::BatchLink, Reason::BatchGap])
}
