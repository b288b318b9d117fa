//! What the model answers for: the money equation in the world and in the books (design,
//! section 9), where every value commit is known, and which lines of a ledger are true.

use std::collections::{BTreeMap, BTreeSet};

use super::books::{Line, TransferState};
use super::cards::Record;
use super::{Commit, Kind, Minor, Model};

/// Both lines of the money equation, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Equation {
    /// World: loads that purses have committed.
    pub loaded: Minor,
    /// World: unloads that purses have committed.
    pub unloaded: Minor,
    /// World: sum of the signed balances.
    pub balances: Minor,
    /// World: purchases that purses have committed and not taken back.
    pub payments: Minor,
    /// Books: loads whose S2 has left, less those reversed, less unloads paid.
    pub paid_in: Minor,
    /// Books: sum of the shadow balances.
    pub shadows: Minor,
    /// Books: payments booked, settled, or voided and owed to the holder.
    pub booked: Minor,
    /// Books: refunds of dead purses.
    pub refunds: Minor,
    /// Books: issuer's loss.
    pub loss: Minor,
}

impl Equation {
    /// Left side less right side, of the world and of the books.
    #[must_use]
    pub const fn differences(&self) -> (Minor, Minor) {
        let world = self.loaded - self.unloaded - self.balances - self.payments;
        (world, self.paid_in - self.shadows - self.booked - self.refunds + self.loss)
    }

    /// Whether both lines hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differences() == (0, 0)
    }
}

/// Where a value commit is known best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The background system has it.
    Background,
    /// A PSAM keeps its record until that is acknowledged.
    Psam,
    /// Its purse holds the receipt.
    Receipt,
    /// A load that the next S1 of its purse will confirm.
    Load,
    /// In doubt: its purse is dead, and its PSAM has a claim or an open purchase.
    Claim,
    /// Lost: its PSAM is dead, and only a copy of a closed batch can bring it.
    LostPsam,
    /// Lost: its purse is dead, and it was the only one that knew.
    LostPurse,
    /// Nobody has it, and nothing explains that: a fault.
    Missing,
}

impl Model {
    /// Counts both lines of the money equation, in time linear in the value commits.
    #[must_use]
    pub fn equation(&self) -> Equation {
        let books = &self.books;
        let (paid_in, booked, refunds, loss) = (books.paid_in, books.booked, books.refunds, books.loss);
        let mut equation = Equation { paid_in, booked, refunds, loss, ..Equation::default() };
        equation.shadows = books.shadows.iter().sum();
        for purse in &self.purses {
            equation.balances += purse.balance;
            for entry in &purse.log {
                match entry.kind {
                    Kind::Load => equation.loaded += entry.amount,
                    Kind::Unload => equation.unloaded += entry.amount,
                    kind => equation.payments -= kind.signed(entry.amount),
                }
            }
        }
        equation
    }

    /// Where every value commit is known.
    #[must_use]
    pub fn places(&self) -> BTreeMap<Commit, Place> {
        let kept = |alive| -> BTreeSet<Commit> {
            let sams = self.sams.iter().filter(|sam| sam.alive == alive);
            sams.flat_map(|sam| sam.batches.iter().flatten())
                .filter_map(|record| Record::commit(*record))
                .collect()
        };
        let (kept, lost) = (kept(true), kept(false));
        let mut places = BTreeMap::new();
        for (number, purse) in self.purses.iter().enumerate() {
            for (nv, entry) in (1..).zip(&purse.log) {
                let commit = (number, nv);
                let held = nv > purse.freed();
                let claimed = entry.purchase.is_some_and(|(sam, _)| self.sams[sam].alive);
                let place = match () {
                    () if self.books.knows(commit) => Place::Background,
                    () if kept.contains(&commit) => Place::Psam,
                    () if held && purse.alive => Place::Receipt,
                    () if entry.kind == Kind::Load => Place::Load,
                    () if lost.contains(&commit) => Place::LostPsam,
                    () if held && entry.kind == Kind::Purchase && claimed => Place::Claim,
                    () if held => Place::LostPurse,
                    () => Place::Missing,
                };
                places.insert(commit, place);
            }
        }
        places
    }

    /// Completeness: the value commits that are neither in the ledger nor in a named class
    /// of doubt or loss. None, or somebody has forgotten evidence.
    #[must_use]
    pub fn completeness(&self) -> Vec<Commit> {
        let missing = |(commit, place)| (place == Place::Missing).then_some(commit);
        self.places().into_iter().filter_map(missing).collect()
    }

    /// Lines of some ledger, as purse, NV and amount, that stand for no true purchase, or
    /// for one that stood there before.
    #[must_use]
    pub fn false_lines(&self, lines: impl IntoIterator<Item = (Commit, Minor)>) -> Vec<Commit> {
        let mut seen = BTreeSet::new();
        let is_true = |((purse, nv), amount): (Commit, Minor)| {
            let entry = self.purses.get(purse).and_then(|purse| purse.entry(nv));
            entry.is_some_and(|entry| entry.kind == Kind::Purchase && entry.amount == amount)
        };
        lines.into_iter().filter(|line| !is_true(*line) || !seen.insert(line.0)).map(|line| line.0).collect()
    }

    /// Purchases that the background system must have, as it must have them.
    pub fn ledger(&self) -> impl Iterator<Item = (Commit, Minor, Line)> + '_ {
        let purchases = self.books.lines.iter().filter(|(_, line)| **line != Line::Recorded);
        purchases.filter_map(|(commit, line)| {
            let entry = self.purses.get(commit.0)?.entry(commit.1)?;
            Some((*commit, entry.amount, *line))
        })
    }

    /// What every shadow balance must be: the balance, what is known and not done, and what
    /// is done and not known. `equation` follows from it; refunded purses are left out.
    #[must_use]
    pub fn explained(&self, purse: usize) -> Minor {
        let mut shadow = self.purses[purse].balance;
        let transfers = self.books.transfers.range((purse, 0)..=(purse, u32::MAX));
        for (session, transfer) in transfers {
            let open = transfer.state == TransferState::Pending && transfer.order.kind == Kind::Load;
            if open && self.purses[purse].of_session(session.1).is_none() {
                shadow += transfer.order.amount;
            }
        }
        for (nv, entry) in (1..).zip(&self.purses[purse].log) {
            if entry.kind != Kind::Load && !self.books.lines.contains_key(&(purse, nv)) {
                shadow -= entry.kind.signed(entry.amount);
            }
        }
        shadow
    }
}
