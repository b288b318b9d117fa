//! What the model answers for: how each value commit stands in the ledger and where it is
//! known, and the money equation in the world and in the books (design, section 9). All of
//! it follows from what is committed and what is known, in whatever order the evidence
//! came in.

use super::{Commit, Entry, Kind, Minor, Model, Order, Ordered, Outcome, Purchase, Purse, Sam};

/// How a value commit stands in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Line {
    Recorded,  // a load, an unload, a cancellation
    Booked,    // a purchase: the merchant has to get it
    Voided,    // a purchase, voided by its PSAM: owed to the holder
    Cancelled, // a purchase, taken back
}

/// Where a value commit is known best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    Background, // it has come in
    Kept,       // by a PSAM, as a receipt in its purse, or the next S1 will confirm a load
    InDoubt,    // its purse is dead, and who ordered it waits: for a claim, an open purchase, a load
    Lost,       // its purse is dead and knew alone, or its PSAM with all but copies of batches
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
    pub shadows: Minor,  // the balances as they are known
    pub booked: Minor,   // purchases in the ledger, those owed to holders included
}

impl Equation {
    /// Whether both lines hold, of the world and of the books.
    pub fn holds(&self) -> bool {
        let world = self.loaded - self.unloaded == self.balances + self.payments;
        world && self.paid_in == self.shadows + self.booked
    }
}

impl Model {
    /// All value commits.
    pub fn commits(&self) -> impl Iterator<Item = (Commit, &Entry)> {
        let purses = self.purses.iter().enumerate();
        purses.flat_map(|(number, purse)| (1..).zip(&purse.log).map(move |(nv, entry)| ((number, nv), entry)))
    }

    /// How a value commit stands in the ledger, once evidence has come in; of a cancellation
    /// also that of its purchase.
    pub fn line(&self, (purse, nv): Commit) -> Option<Line> {
        let known = |nv| self.entry((purse, nv)).ok().filter(|entry| entry.known);
        let entry = known(nv)?;
        let next = self.entry((purse, nv + 1)).ok();
        let cancelled = next.is_some_and(|next| next.order.kind == Kind::Cancellation)
            && (known(nv + 1).is_some() || self.is_stated((purse, nv + 1)));
        match entry.order.kind {
            Kind::Purchase if cancelled => Some(Line::Cancelled),
            Kind::Purchase if self.is_voided(entry) => Some(Line::Voided),
            Kind::Purchase => Some(Line::Booked),
            Kind::Cancellation => known(nv - 1).map(|_| Line::Recorded),
            Kind::Load | Kind::Unload => Some(Line::Recorded),
        }
    }

    /// Whether the PSAM of a purchase has handed in the batch in which it was opened, and says so:
    /// done, or that nothing came back to it.
    fn has_handed_in(&self, (sam, nt): Purchase) -> bool {
        let Sam { closed, open, .. } = &self.sams[sam];
        let holds = closed.partition_point(|batch| batch.first < nt).checked_sub(1);
        nt <= open.first && holds.is_some_and(|place| closed[place].stored)
    }

    /// Whether it is known that the PSAM of this value commit has voided it.
    fn is_voided(&self, entry: &Entry) -> bool {
        let voided = |own| self.opening(own).is_ok_and(|of| of.outcome == Outcome::Voided);
        entry.order.purchase.is_some_and(|own| voided(own) && self.has_handed_in(own))
    }

    /// Whether money may leave for a value commit: a payment that is booked and that its own PSAM has
    /// handed in. Only that PSAM can void it, and in an open batch alone, so that nothing takes the
    /// money back.
    pub fn is_payable(&self, commit: Commit) -> bool {
        let own = self.entry(commit).ok().and_then(|entry| entry.order.purchase);
        self.line(commit) == Some(Line::Booked) && own.is_some_and(|own| self.has_handed_in(own))
    }

    /// What the merchant of a PSAM may have been paid so far.
    pub fn payable(&self, sam: usize) -> Minor {
        let at = |(_, entry): &(_, &Entry)| entry.order.purchase.is_some_and(|own| own.0 == sam);
        let payable = self.commits().filter(at).filter(|(commit, _)| self.is_payable(*commit));
        payable.map(|(_, entry)| entry.order.amount).sum()
    }

    /// Whether a purse has said later that this cancellation was its last one, and that is known.
    fn is_stated(&self, (purse, nv): Commit) -> bool {
        let Purse { log, stated, .. } = &self.purses[purse];
        let kind = |nv: usize| log.get(nv - 1).map(|entry| entry.order.kind);
        // It is the last one for all that state an NV up to this one.
        let last = (nv + 1..=log.len()).find(|nv| kind(*nv) == Some(Kind::Cancellation));
        let says = |stated: usize| stated >= nv && last.is_none_or(|last| stated < last);
        let known = |nv: usize| log.get(nv - 1).is_some_and(|entry| entry.known);
        let booked = |nv: usize| known(nv) && (kind(nv) != Some(Kind::Cancellation) || known(nv - 1));
        (nv + 1..=log.len()).any(|later| says(later - 1) && booked(later))
            || self.transfers.range((purse, 0)..(purse + 1, 0)).any(|((_, nt), _)| says(stated[nt - 1]))
    }

    /// The balance of a purse as the issuer knows it.
    pub(super) fn shadow(&self, purse: usize) -> Minor {
        let stands = |of: &&Ordered| matches!(of.outcome, Outcome::Open | Outcome::Done);
        let transfers = self.transfers.range((purse, 0)..(purse + 1, 0)).map(|(_, of)| of);
        let ahead: Minor = transfers.filter(stands).map(|of| of.order.ahead()).sum();
        let moved = |(nv, entry): (usize, &Entry)| match (entry.order.kind, self.line((purse, nv))) {
            (Kind::Purchase, Some(Line::Booked | Line::Voided)) | (Kind::Unload, Some(_)) => {
                entry.order.signed()
            }
            _ => 0,
        };
        ahead + (1..).zip(&self.purses[purse].log).map(moved).sum::<Minor>()
    }

    /// Purchases that the background system must have, as it must have them.
    pub fn ledger(&self) -> impl Iterator<Item = (Commit, Minor, Line)> + '_ {
        let purchases = self.commits().filter(|(_, entry)| entry.order.kind == Kind::Purchase);
        purchases.filter_map(|(commit, entry)| Some((commit, entry.order.amount, self.line(commit)?)))
    }

    /// The value commit of a purchase, if it was ever debited.
    pub fn debited(&self, purchase: Purchase) -> Option<Commit> {
        let (purse, nt) = self.opening(purchase).ok()?.session;
        let commit = (purse, self.purses[purse].of_session(nt)?);
        (self.entry(commit).ok()?.order.purchase == Some(purchase)).then_some(commit)
    }

    /// Where a value commit is known.
    pub fn place(&self, commit: Commit, entry: &Entry) -> Place {
        let kept = |dead| self.sams.iter().any(|sam| sam.dead == dead && sam.keeps(commit));
        let purse = &self.purses[commit.0];
        let held = commit.1 > purse.freed();
        let Order { kind, purchase, .. } = entry.order;
        let claimed = kind == Kind::Purchase && purchase.is_some_and(|(sam, _)| !self.sams[sam].dead);
        match () {
            () if entry.known => Place::Background,
            () if kept(false) || !purse.dead && (held || kind == Kind::Load) => Place::Kept,
            () if held && claimed || kind == Kind::Load => Place::InDoubt,
            () if held || kept(true) => Place::Lost,
            () => Place::Missing,
        }
    }

    /// Completeness: the value commits that are neither in the ledger nor in a named class
    /// of doubt or loss. None, or somebody has forgotten evidence.
    pub fn completeness(&self) -> Vec<Commit> {
        let missing = |of: &(Commit, &Entry)| self.place(of.0, of.1) == Place::Missing;
        self.commits().filter(missing).map(|of| of.0).collect()
    }

    /// Counts both lines of the money equation.
    pub fn equation(&self) -> Equation {
        let sum = |kind, all: bool| -> Minor {
            let counts = |(_, entry): &(_, &Entry)| entry.order.kind == kind && (all || entry.known);
            self.commits().filter(counts).map(|(_, entry)| entry.order.amount).sum()
        };
        let stands = |of: &&Ordered| matches!(of.outcome, Outcome::Open | Outcome::Done);
        let ahead: Minor = self.transfers.values().filter(stands).map(|of| of.order.ahead()).sum();
        Equation {
            loaded: sum(Kind::Load, true),
            unloaded: sum(Kind::Unload, true),
            balances: self.purses.iter().map(|purse| purse.balance).sum(),
            payments: sum(Kind::Purchase, true) - sum(Kind::Cancellation, true),
            paid_in: ahead - sum(Kind::Unload, false),
            shadows: self.purses.iter().map(|purse| purse.shadow).sum(),
            booked: self.ledger().filter(|line| line.2 != Line::Cancelled).map(|line| line.1).sum(),
        }
    }
}
