//! What is on cards: purses with their log, PSAMs with their batches, and the rules by
//! which value and evidence move between them.

use super::{Commit, Kind, Minor, Model, Purchase, Refused, Session, demand};

/// A value commit in the log of its purse; its NV is its place, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Session; a cancellation repeats that of its purchase.
    pub nt: u32,
    /// Minor units.
    pub amount: Minor,
    /// The purchase, where it is one or takes one back.
    pub purchase: Option<Purchase>,
    /// Up to this NV, receipts have been taken over.
    pub freed: u32,
}

/// A purse.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Purse {
    /// Whether anybody will read it again.
    pub alive: bool,
    /// Whether its next purchases are exceptions.
    pub hotlisted: bool,
    /// Signed balance.
    pub balance: Minor,
    /// Least and greatest balance.
    pub range: (Minor, Minor),
    /// Sessions so far.
    pub nt: u32,
    /// Whether the last session can still commit.
    pub in_session: bool,
    /// The purchase that was ordered in it.
    pub order: Option<Purchase>,
    /// All value commits.
    pub log: Vec<Entry>,
}

/// What a PSAM says of a purchase.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// Paid, with the purse's word.
    Credited,
    /// Never debited, with the purse's word.
    NotDebited,
    /// Nothing came back: a claim.
    Unresolved,
    /// Paid and voided.
    Voided,
}

/// A purchase in its PSAM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Opening {
    /// The purse and its session.
    pub session: Session,
    /// Minor units.
    pub amount: Minor,
    /// What became of it.
    pub outcome: Outcome,
    /// Opened after the purse was hotlisted.
    pub barred: bool,
    /// What the order says of receipts.
    pub freed: u32,
}

/// What a PSAM hands in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Record {
    /// Its own purchase; the value commit, where the purse has said so.
    Own(u32, Outcome, Option<Commit>),
    /// Somebody's value commit, taken over from the purse.
    Receipt(Commit),
}

impl Record {
    /// The value commit of which it is evidence.
    #[must_use]
    pub const fn commit(self) -> Option<Commit> {
        match self {
            Self::Own(_, _, commit) => commit,
            Self::Receipt(commit) => Some(commit),
        }
    }
}

/// A PSAM.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Sam {
    /// Whether anybody will read it again.
    pub alive: bool,
    /// All purchases, by NT_PSAM from 1.
    pub openings: Vec<Opening>,
    /// All batches, from 1; the last one is open, and those acknowledged are empty.
    pub batches: Vec<Vec<Record>>,
}

/// What became of a purchase in truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Debited, under this name.
    Debited(Commit),
    /// Never debited, and it never will be.
    Never,
    /// Not debited yet.
    Possible,
}

impl Purse {
    /// Value commits so far.
    #[must_use]
    pub fn nv(&self) -> u32 {
        u32::try_from(self.log.len()).unwrap_or(u32::MAX)
    }

    /// Up to this NV, receipts have been taken over.
    #[must_use]
    pub fn freed(&self) -> u32 {
        self.log.last().map_or(0, |entry| entry.freed)
    }

    /// The value commit of this NV.
    #[must_use]
    pub fn entry(&self, nv: u32) -> Option<&Entry> {
        self.log.get((nv as usize).checked_sub(1)?)
    }

    /// NV of what session `nt` committed.
    #[must_use]
    pub fn of_session(&self, nt: u32) -> Option<u32> {
        let own = |entry: &Entry| entry.nt == nt && entry.kind != Kind::Cancellation;
        self.log.iter().rposition(own).and_then(|found| u32::try_from(found + 1).ok())
    }

    /// Whether session `nt` can still commit.
    #[must_use]
    pub const fn may_commit(&self, nt: u32) -> bool {
        self.alive && self.in_session && nt == self.nt
    }

    pub(super) const fn open_session(&mut self) {
        (self.nt, self.in_session, self.order) = (self.nt + 1, true, None);
    }

    pub(super) const fn end_session(&mut self) {
        (self.in_session, self.order) = (false, None);
    }

    pub(super) const fn destroy(&mut self) {
        self.end_session();
        self.alive = false;
    }

    /// The one place where value moves.
    fn commit(&mut self, entry: Entry) -> Result<(), Refused> {
        let after = self.balance + entry.kind.signed(entry.amount);
        let in_range = match entry.kind {
            Kind::Load => after <= self.range.1,
            Kind::Unload => after >= 0,
            Kind::Purchase => after >= self.range.0,
            Kind::Cancellation => true,
        };
        demand(in_range, Refused::OutOfBounds)?;
        self.balance = after;
        self.log.push(entry);
        self.end_session();
        Ok(())
    }
}

impl Kind {
    /// What it does to the balance.
    #[must_use]
    pub const fn signed(self, amount: Minor) -> Minor {
        match self {
            Self::Load | Self::Cancellation => amount,
            Self::Unload | Self::Purchase => -amount,
        }
    }
}

impl Sam {
    pub(super) fn new() -> Self {
        Self { alive: true, openings: Vec::new(), batches: vec![Vec::new()] }
    }

    /// The purchase of this number.
    #[must_use]
    pub fn opening(&self, nt: u32) -> Option<&Opening> {
        self.openings.get((nt as usize).checked_sub(1)?)
    }

    fn add(&mut self, record: Record) {
        self.batches.last_mut().expect("one is open").push(record);
        if let Record::Own(nt, outcome, _) = record {
            self.openings[nt as usize - 1].outcome = outcome;
        }
    }

    pub(super) fn close_batch(&mut self) {
        for nt in (1..).take(self.openings.len()) {
            if self.openings[nt as usize - 1].outcome == Outcome::Open {
                self.add(Record::Own(nt, Outcome::Unresolved, None));
            }
        }
        self.batches.push(Vec::new());
    }

    /// Its own record of a value commit, where it still keeps one.
    fn keeps(&self, commit: Commit) -> bool {
        self.batches.iter().flatten().any(|record| record.commit() == Some(commit))
    }
}

impl Model {
    /// What became of a purchase in truth.
    #[must_use]
    pub fn fate(&self, purchase: Purchase) -> Option<Fate> {
        let (whose, nt) = self.sams.get(purchase.0)?.opening(purchase.1)?.session;
        let purse = self.purses.get(whose)?;
        let debited = purse.of_session(nt);
        let debited =
            debited.filter(|nv| purse.entry(*nv).and_then(|entry| entry.purchase) == Some(purchase));
        Some(match debited {
            Some(nv) => Fate::Debited((whose, nv)),
            None if purse.may_commit(nt) => Fate::Possible,
            None => Fate::Never,
        })
    }

    pub(super) fn issue(&mut self, maximum: Minor, overdraft: Minor) {
        let (alive, hotlisted, in_session) = (true, false, false);
        let (range, order, log) = ((-overdraft, maximum), None, Vec::new());
        self.purses.push(Purse { alive, hotlisted, balance: 0, range, nt: 0, in_session, order, log });
        self.books.shadows.push(0);
    }

    /// Receipts may be freed once somebody else has the evidence.
    pub(super) fn may_free(&self, purse: usize, upto: u32) -> Result<(), Refused> {
        let held = self.purses[purse].freed() + 1..=upto;
        let kept = |nv: u32| {
            let commit = (purse, nv);
            self.books.knows(commit) || self.sams.iter().any(|sam| sam.alive && sam.keeps(commit))
        };
        demand(upto <= self.purses[purse].nv(), Refused::Untrue)?;
        demand(held.into_iter().all(kept), Refused::EvidenceLost)
    }

    pub(super) fn transfer(&mut self, purse: usize) -> Result<(), Refused> {
        let nt = self.live_purse(purse)?.nt;
        demand(self.purses[purse].in_session, Refused::NoSession)?;
        let order = self.books.approved((purse, nt)).ok_or(Refused::NoSession)?;
        self.may_free(purse, order.freed)?;
        self.purses[purse].commit(Entry { nt, ..order })
    }

    pub(super) fn open_purchase(
        &mut self,
        sam: usize,
        session: Session,
        amount: Minor,
        freed: u32,
    ) -> Result<(), Refused> {
        let transfer = self.books.transfers.contains_key(&session);
        let purse = self.known_purse(session.0)?;
        demand((1..=purse.nt).contains(&session.1), Refused::Unknown)?;
        demand(!transfer && (purse.order.is_none() || session.1 < purse.nt), Refused::Conflict)?;
        let (barred, outcome, current) = (purse.hotlisted, Outcome::Open, purse.may_commit(session.1));
        let openings = &mut self.live_sam(sam)?.openings;
        openings.push(Opening { session, amount, outcome, barred, freed });
        let nt = u32::try_from(openings.len()).unwrap_or(u32::MAX);
        if current {
            self.purses[session.0].order = Some((sam, nt));
        }
        Ok(())
    }

    pub(super) fn debit(&mut self, purse: usize) -> Result<(), Refused> {
        let (sam, number) = self.live_purse(purse)?.order.ok_or(Refused::NoSession)?;
        let opening = *self.sams[sam].opening(number).ok_or(Refused::Unknown)?;
        let Opening { session: (_, nt), amount, freed, .. } = opening;
        self.may_free(purse, freed)?;
        let (kind, purchase) = (Kind::Purchase, Some((sam, number)));
        self.purses[purse].commit(Entry { kind, nt, amount, purchase, freed })
    }

    /// A purchase that its PSAM has, with what became of it in truth.
    fn own(&mut self, purchase: Purchase) -> Result<(Outcome, Fate), Refused> {
        let fate = self.fate(purchase).ok_or(Refused::Unknown)?;
        let opening = self.live_sam(purchase.0)?.opening(purchase.1).ok_or(Refused::Unknown)?;
        Ok((opening.outcome, fate))
    }

    pub(super) fn credit(&mut self, (sam, nt): Purchase) -> Result<(), Refused> {
        let (Outcome::Open | Outcome::Unresolved, Fate::Debited(commit)) = self.own((sam, nt))? else {
            return Err(Refused::Untrue);
        };
        self.store_receipt(sam, commit)
    }

    pub(super) fn complete(&mut self, (sam, nt): Purchase) -> Result<(), Refused> {
        demand(self.own((sam, nt))? == (Outcome::Open, Fate::Never), Refused::Untrue)?;
        self.sams[sam].add(Record::Own(nt, Outcome::NotDebited, None));
        Ok(())
    }

    pub(super) fn claim(&mut self, (sam, nt): Purchase) -> Result<(), Refused> {
        demand(self.own((sam, nt))?.0 == Outcome::Open, Refused::Conflict)?;
        self.sams[sam].add(Record::Own(nt, Outcome::Unresolved, None));
        Ok(())
    }

    /// The answer to an open purchase of its own is its record; a repeat adds nothing.
    pub(super) fn store_receipt(&mut self, sam: usize, commit: Commit) -> Result<(), Refused> {
        let entry = *self.known_purse(commit.0)?.entry(commit.1).ok_or(Refused::Unknown)?;
        let module = self.live_sam(sam)?;
        let own = entry.purchase.filter(|(at, _)| entry.kind == Kind::Purchase && *at == sam);
        match own.filter(|(_, nt)| module.openings[*nt as usize - 1].outcome == Outcome::Open) {
            Some((_, nt)) => module.add(Record::Own(nt, Outcome::Credited, Some(commit))),
            None if !module.keeps(commit) => module.add(Record::Receipt(commit)),
            None => {}
        }
        Ok(())
    }

    /// In the open batch alone: what is collected is paid.
    pub(super) fn void(&mut self, (sam, nt): Purchase) -> Result<(), Refused> {
        let (outcome, fate) = self.own((sam, nt))?;
        let Fate::Debited(commit) = fate else { return Err(Refused::Untrue) };
        let batch = self.sams[sam].batches.last();
        let here =
            |outcome| batch.is_some_and(|batch| batch.contains(&Record::Own(nt, outcome, Some(commit))));
        demand(here(outcome) && matches!(outcome, Outcome::Credited | Outcome::Voided), Refused::Conflict)?;
        if outcome == Outcome::Credited {
            self.sams[sam].add(Record::Own(nt, Outcome::Voided, Some(commit)));
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, purse: usize) -> Result<(), Refused> {
        let last = self.live_purse(purse)?.log.last().copied();
        let last = last.filter(|last| last.kind == Kind::Purchase).ok_or(Refused::NoSession)?;
        let (sam, nt) = last.purchase.ok_or(Refused::Unknown)?;
        let opening = self.sams[sam].opening(nt).ok_or(Refused::Unknown)?;
        demand(opening.outcome == Outcome::Voided, Refused::Untrue)?;
        self.purses[purse].commit(Entry { kind: Kind::Cancellation, ..last })
    }

    pub(super) fn acknowledge(&mut self, sam: usize, batch: u32) -> Result<(), Refused> {
        demand(self.books.batches.contains(&(sam, batch)), Refused::EvidenceLost)?;
        self.live_sam(sam)?.batches[batch as usize - 1].clear();
        Ok(())
    }
}
