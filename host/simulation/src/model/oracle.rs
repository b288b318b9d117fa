//! What the model answers for: how each value commit stands in the ledger and where it is
//! known, the money equation in the world and in the books (design, section 9), and which
//! lines of a ledger are true. All of it follows from what is committed and what is known,
//! in whatever order the evidence came in.

use std::collections::{BTreeMap, BTreeSet};

use super::{Commit, Entry, Kind, Minor, Model, Purchase, TransferState};

/// How a value commit stands in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Line {
    Recorded,  // a load, an unload, a cancellation
    Booked,    // a purchase: the merchant has to get it
    Settled,   // a purchase: the merchant has got it, and keeps it
    Voided,    // a purchase, voided by its PSAM: owed to the holder
    Cancelled, // a purchase, taken back
    Barred,    // a purchase opened after the hotlisting: an exception, not booked
    Waiting,   // a cancellation: its purchase is not booked
}

/// Where a value commit is known best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    Background, // it has come in
    Psam,       // a PSAM keeps its record until that is acknowledged
    Receipt,    // its purse holds the receipt
    Load,       // the next S1 of its purse will confirm it
    Claim,      // in doubt: its purse is dead, and its PSAM has a claim or an open purchase
    LostPsam,   // lost: its PSAM is dead, and only a copy of a closed batch can bring it
    LostPurse,  // lost: its purse is dead, and it was the only one that knew
    Missing,    // nobody has it, and nothing explains that: a fault
}

/// Both lines of the money equation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Equation {
    pub loaded: Minor,
    pub unloaded: Minor,
    pub balances: Minor, // signed
    pub payments: Minor, // purchases that purses have committed and not taken back
    pub paid_in: Minor,  // loads whose S2 has left and that are not reversed, less unloads paid
    pub shadows: Minor,  // the balances as they are known, but of purses that were refunded
    pub booked: Minor,   // purchases booked, settled, or voided and owed to the holder
    pub refunds: Minor,  // of dead purses
    pub loss: Minor,     // purchases known after the refund, cancellations after the settlement
}

impl Equation {
    /// Left side less right side, of the world and of the books.
    pub const fn differences(&self) -> (Minor, Minor) {
        let world = self.loaded - self.unloaded - self.balances - self.payments;
        (world, self.paid_in - self.shadows - self.booked - self.refunds + self.loss)
    }

    /// Whether both lines hold.
    pub fn holds(&self) -> bool {
        self.differences() == (0, 0)
    }
}

impl Model {
    /// All value commits.
    pub fn commits(&self) -> impl Iterator<Item = (Commit, &Entry)> {
        let purses = self.purses.iter().enumerate();
        purses.flat_map(|(number, purse)| (1..).zip(&purse.log).map(move |(nv, entry)| ((number, nv), entry)))
    }

    /// How a value commit stands in the ledger, once evidence has come in.
    pub fn line(&self, (purse, nv): Commit) -> Option<Line> {
        let entry = self.entry((purse, nv)).ok().filter(|entry| entry.known)?;
        let barred = entry.purchase.is_some_and(|purchase| self.opening(purchase).is_ok_and(|of| of.barred));
        let next = self.entry((purse, nv + 1)).ok().filter(|next| next.known);
        Some(match entry.kind {
            Kind::Purchase if barred => Line::Barred,
            Kind::Purchase if entry.settled => Line::Settled,
            Kind::Purchase if next.is_some_and(|next| next.kind == Kind::Cancellation) => Line::Cancelled,
            Kind::Purchase if entry.voided => Line::Voided,
            Kind::Purchase => Line::Booked,
            Kind::Cancellation if barred || self.line((purse, nv - 1)).is_none() => Line::Waiting,
            _ => Line::Recorded,
        })
    }

    /// Whether a PSAM asks for a purchase of which no evidence has come in.
    pub fn is_claim(&self, purchase: Purchase) -> bool {
        let known = self.debited(purchase).is_some_and(|commit| self.line(commit).is_some());
        !known && self.opening(purchase).is_ok_and(|opening| opening.claim)
    }

    /// Where a value commit is known.
    pub fn place(&self, commit: Commit, entry: &Entry) -> Place {
        let kept = |dead| self.sams.iter().any(|sam| sam.dead == dead && sam.keeps(commit));
        let purse = &self.purses[commit.0];
        let held = commit.1 > purse.freed();
        let claimed = entry.purchase.is_some_and(|(sam, _)| !self.sams[sam].dead);
        match () {
            () if entry.known => Place::Background,
            () if kept(false) => Place::Psam,
            () if held && !purse.dead => Place::Receipt,
            () if entry.kind == Kind::Load => Place::Load,
            () if kept(true) => Place::LostPsam,
            () if held && entry.kind == Kind::Purchase && claimed => Place::Claim,
            () if held => Place::LostPurse,
            () => Place::Missing,
        }
    }

    /// Where every value commit is known.
    pub fn places(&self) -> BTreeMap<Commit, Place> {
        self.commits().map(|(commit, entry)| (commit, self.place(commit, entry))).collect()
    }

    /// Completeness: the value commits that are neither in the ledger nor in a named class
    /// of doubt or loss. None, or somebody has forgotten evidence.
    pub fn completeness(&self) -> Vec<Commit> {
        let missing = |of: &(Commit, &Entry)| self.place(of.0, of.1) == Place::Missing;
        self.commits().filter(missing).map(|of| of.0).collect()
    }

    /// Purchases that the background system must have, as it must have them.
    pub fn ledger(&self) -> impl Iterator<Item = (Commit, Minor, Line)> + '_ {
        let purchases = self.commits().filter(|(_, entry)| entry.kind == Kind::Purchase);
        let lines = purchases.filter_map(|(commit, entry)| Some((commit, entry.amount, self.line(commit)?)));
        lines.filter(|(_, _, line)| *line != Line::Barred)
    }

    /// Lines of some ledger, as value commit and amount, that stand for no true purchase, or
    /// for one that stood there before.
    pub fn false_lines(&self, lines: impl IntoIterator<Item = (Commit, Minor)>) -> Vec<Commit> {
        let mut seen = BTreeSet::new();
        let purchase = |commit| self.entry(commit).ok().filter(|entry| entry.kind == Kind::Purchase);
        let is_true = |(commit, amount)| purchase(commit).is_some_and(|entry| entry.amount == amount);
        lines.into_iter().filter(|line| !is_true(*line) || !seen.insert(line.0)).map(|line| line.0).collect()
    }

    /// What the shadow balance of a purse must be: the balance, what is known and not done,
    /// and what is done and not known.
    pub fn explained(&self, purse: usize) -> Minor {
        let there = &self.purses[purse];
        let mut shadow = there.balance;
        for (session, transfer) in self.transfers.range((purse, 0)..=(purse, u32::MAX)) {
            let pending = transfer.kind == Kind::Load && transfer.state == TransferState::Pending;
            shadow += if pending && there.of_session(session.1).is_none() { transfer.amount } else { 0 };
        }
        for (nv, entry) in (1..).zip(&there.log).filter(|(_, entry)| entry.kind != Kind::Load) {
            let counts = !matches!(self.line((purse, nv)), None | Some(Line::Barred | Line::Waiting));
            shadow -= if counts { 0 } else { entry.kind.signed(entry.amount) };
        }
        shadow
    }

    /// Counts both lines of the money equation.
    pub fn equation(&self) -> Equation {
        let mut equation = Equation::default();
        for (number, purse) in self.purses.iter().enumerate() {
            let shadow = self.explained(number);
            equation.balances += purse.balance;
            equation.shadows += if purse.refunded.is_none() { shadow } else { 0 };
            equation.refunds += purse.refunded.unwrap_or(0);
            equation.loss += purse.refunded.map_or(0, |refund| refund - shadow);
        }
        for ((purse, nv), Entry { kind, amount, known, .. }) in self.commits() {
            match kind {
                Kind::Load => equation.loaded += amount,
                Kind::Unload => equation.unloaded += amount,
                _ => equation.payments -= kind.signed(*amount),
            }
            match (kind, self.line((purse, nv))) {
                (Kind::Unload, Some(_)) => equation.paid_in -= amount,
                (_, Some(Line::Booked | Line::Settled | Line::Voided)) => equation.booked += amount,
                _ => {}
            }
            let late = *kind == Kind::Cancellation && self.line((purse, nv - 1)) == Some(Line::Settled);
            equation.loss += if late && *known { *amount } else { 0 };
        }
        for transfer in self.transfers.values().filter(|transfer| transfer.kind == Kind::Load) {
            let booked = matches!(transfer.state, TransferState::Pending | TransferState::Done);
            equation.paid_in += if booked { transfer.amount } else { 0 };
        }
        equation
    }
}
