//! What the background system has: transfers, shadow balances, value commits each
//! counted once, claims, exceptions.

use std::collections::{BTreeMap, BTreeSet};

use super::cards::{Entry, Fate, Outcome, Record};
use super::{Commit, Kind, Minor, Model, Purchase, Refused, Session, demand};

/// A load or unload.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transfer {
    /// What the purse is told to commit.
    pub order: Entry,
    /// How it stands.
    pub state: TransferState,
}

/// How a load or unload stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransferState {
    /// Refused by the issuer.
    Refused,
    /// S2 has left.
    Pending,
    /// The purse has done it.
    Done,
    /// The purse has not done it and never will.
    Reversed,
}

/// How a value commit stands in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Line {
    /// A load, an unload or a cancellation.
    Recorded,
    /// A purchase that the merchant has to get.
    Booked,
    /// A purchase that the merchant has got.
    Settled,
    /// A purchase voided by its PSAM: owed to the holder.
    Voided,
    /// A purchase taken back.
    Cancelled,
}

/// Why something is not as it should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Exception {
    /// Opened after the purse was hotlisted: not booked.
    Hotlisted(Commit),
    /// The PSAM asks for payment of what it has cancelled.
    CancelledButSubmitted(Commit),
    /// Taken back after the merchant was paid.
    CancelledLate(Commit),
    /// Voided after the merchant was paid.
    VoidedLate(Commit),
}

/// The background system.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Books {
    /// Loads and unloads, by session.
    pub transfers: BTreeMap<Session, Transfer>,
    /// Value commits.
    pub lines: BTreeMap<Commit, Line>,
    /// Shadow balances.
    pub shadows: Vec<Minor>,
    /// Batches that are stored.
    pub batches: BTreeSet<(usize, u32)>,
    /// Claims that are open.
    pub claims: BTreeSet<Purchase>,
    /// Cancellations whose purchase has not come in.
    pub waiting: BTreeSet<Commit>,
    /// What somebody has to look at.
    pub exceptions: BTreeSet<Exception>,
    /// Dead purses whose shadow was paid out.
    pub refunded: BTreeSet<usize>,
    /// Loads whose S2 has left less unloads paid.
    pub paid_in: Minor,
    /// Purchases booked, settled or voided.
    pub booked: Minor,
    /// Shadow balances of dead purses that were paid out.
    pub refunds: Minor,
    /// What the issuer has lost: late payments of refunded purses, late cancellations.
    pub loss: Minor,
}

impl Books {
    /// Whether evidence of this value commit has come in.
    #[must_use]
    pub fn knows(&self, commit: Commit) -> bool {
        self.lines.contains_key(&commit)
            || self.waiting.contains(&commit)
            || self.exceptions.contains(&Exception::Hotlisted(commit))
    }

    /// What a purse may commit in this session.
    pub(super) fn approved(&self, session: Session) -> Option<Entry> {
        let transfer = self.transfers.get(&session)?;
        Some(transfer.order).filter(|_| transfer.state == TransferState::Pending)
    }

    /// Value comes into the shadow of a purse, or, where that was paid out, to the issuer.
    fn move_shadow(&mut self, purse: usize, value: Minor) {
        if self.refunded.contains(&purse) {
            self.loss -= value;
        } else {
            self.shadows[purse] += value;
        }
    }

    pub(super) fn settle(&mut self, commit: Commit) -> Result<(), Refused> {
        let line = self.lines.get_mut(&commit).ok_or(Refused::Unknown)?;
        demand(*line == Line::Booked, Refused::Conflict)?;
        *line = Line::Settled;
        Ok(())
    }

    /// A purchase, voided by its PSAM or not. Each counts once.
    fn purchase(&mut self, commit: Commit, entry: Entry, outcome: Outcome) {
        let voided = outcome == Outcome::Voided;
        let exception = match (self.lines.get(&commit), voided) {
            (None, _) => {
                self.lines.insert(commit, if voided { Line::Voided } else { Line::Booked });
                self.booked += entry.amount;
                self.move_shadow(commit.0, -entry.amount);
                self.claims.retain(|claim| Some(*claim) != entry.purchase);
                let after = (commit.0, commit.1 + 1);
                if self.waiting.remove(&after) {
                    self.cancellation(after, entry.amount, false);
                }
                None
            }
            (Some(Line::Booked), true) => {
                self.lines.insert(commit, Line::Voided);
                None
            }
            (Some(Line::Settled), true) => Some(Exception::VoidedLate(commit)),
            (Some(Line::Voided | Line::Cancelled), false) if outcome == Outcome::Credited => {
                Some(Exception::CancelledButSubmitted(commit))
            }
            (Some(_), _) => None,
        };
        self.exceptions.extend(exception);
    }

    /// A purse has taken back the purchase right before. `owned`: its PSAM asked for payment.
    fn cancellation(&mut self, commit: Commit, amount: Minor, owned: bool) {
        let purchase = (commit.0, commit.1 - 1);
        let Some(state) = self.lines.get(&purchase).copied() else {
            self.waiting.insert(commit);
            return;
        };
        if self.lines.insert(commit, Line::Recorded).is_some() {
            return;
        }
        self.move_shadow(commit.0, amount);
        if state == Line::Settled {
            self.loss += amount;
            self.exceptions.insert(Exception::CancelledLate(purchase));
            return;
        }
        self.booked -= amount;
        self.lines.insert(purchase, Line::Cancelled);
        if owned && state == Line::Booked {
            self.exceptions.insert(Exception::CancelledButSubmitted(purchase));
        }
    }
}

impl Model {
    /// Account hold, S1 and S2 are one entry, made before S2 leaves.
    pub(super) fn authorise(
        &mut self,
        session: Session,
        kind: Kind,
        amount: Minor,
        approved: bool,
        freed: u32,
    ) -> Result<(), Refused> {
        let (purse, nt) = session;
        let there = self.known_purse(purse)?;
        demand((1..=there.nt).contains(&nt), Refused::Unknown)?;
        let kind_of = |nv| there.entry(nv).map(|entry| entry.kind);
        let purchase = there.of_session(nt).is_some_and(|nv| kind_of(nv) == Some(Kind::Purchase));
        demand(!purchase && (there.order.is_none() || nt < there.nt), Refused::Conflict)?;
        let state = if approved { TransferState::Pending } else { TransferState::Refused };
        let order = Entry { kind, nt, amount, purchase: None, freed };
        if let Some(known) = self.books.transfers.get(&session) {
            return demand(known.order == order, Refused::Conflict);
        }
        let covered = kind == Kind::Load || self.purses[purse].balance <= self.books.shadows[purse];
        demand(!approved || covered, Refused::OutOfBounds)?;
        self.books.transfers.insert(session, Transfer { order, state });
        if approved && kind == Kind::Load {
            self.books.paid_in += amount;
            self.books.move_shadow(purse, amount);
        }
        Ok(())
    }

    /// The purse's S6 over a load or unload. An unload is paid now, once.
    pub(super) fn report(&mut self, commit: Commit) -> Result<(), Refused> {
        let entry = *self.known_purse(commit.0)?.entry(commit.1).ok_or(Refused::Untrue)?;
        demand(matches!(entry.kind, Kind::Load | Kind::Unload), Refused::Unknown)?;
        if self.books.lines.insert(commit, Line::Recorded).is_some() {
            return Ok(());
        }
        let transfer = self.books.transfers.get_mut(&(commit.0, entry.nt)).ok_or(Refused::Unknown)?;
        transfer.state = TransferState::Done;
        if entry.kind == Kind::Unload {
            self.books.paid_in -= entry.amount;
            self.books.move_shadow(commit.0, -entry.amount);
        }
        Ok(())
    }

    /// Only the purse's word reverses a transfer, never time.
    pub(super) fn conclude(&mut self, session: Session, moved: bool) -> Result<(), Refused> {
        let purse = self.purses.get(session.0).ok_or(Refused::Unknown)?;
        let truth = purse.of_session(session.1).is_some();
        demand(moved == truth && (truth || !purse.may_commit(session.1)), Refused::Untrue)?;
        let transfer = self.books.transfers.get_mut(&session).ok_or(Refused::Unknown)?;
        if transfer.state != TransferState::Pending {
            return Ok(());
        }
        let Entry { kind, amount, .. } = transfer.order;
        match (kind, moved) {
            (Kind::Load, true) => transfer.state = TransferState::Done,
            (_, true) => return Err(Refused::Conflict), // an unload is paid by its S6 alone
            (_, false) => transfer.state = TransferState::Reversed,
        }
        if kind == Kind::Load && !moved {
            self.books.paid_in -= amount;
            self.books.move_shadow(session.0, -amount);
        }
        Ok(())
    }

    /// A batch counts once; every record of it stands for a true event.
    pub(super) fn arrive(&mut self, sam: usize, batch: u32) -> Result<(), Refused> {
        let batches = &self.sams.get(sam).ok_or(Refused::Unknown)?.batches;
        demand((1..batches.len()).contains(&(batch as usize)), Refused::Unknown)?;
        if !self.books.batches.insert((sam, batch)) {
            return Ok(());
        }
        let records = batches[batch as usize - 1].clone();
        // What a PSAM has voided in this batch, it does not ask for.
        let void = |commit| move |record: &Record| matches!(*record, Record::Own(_, Outcome::Voided, of) if of == commit);
        for record in &records {
            match *record {
                Record::Own(nt, Outcome::Unresolved, _) => self.take_claim((sam, nt)),
                Record::Own(_, Outcome::Credited, commit) if records.iter().any(void(commit)) => {}
                Record::Own(_, outcome, Some(commit)) => self.take((sam, outcome), commit)?,
                Record::Receipt(commit) => self.take((sam, Outcome::Open), commit)?,
                Record::Own(..) => {}
            }
        }
        Ok(())
    }

    fn take_claim(&mut self, purchase: Purchase) {
        let paid = match self.fate(purchase) {
            Some(Fate::Debited(commit)) => self.books.knows(commit),
            _ => false,
        };
        if !paid {
            self.books.claims.insert(purchase);
        }
    }

    /// A value commit with the purse's word, from this PSAM with this outcome.
    fn take(&mut self, (sam, outcome): (usize, Outcome), commit: Commit) -> Result<(), Refused> {
        let entry = *self.purses[commit.0].entry(commit.1).ok_or(Refused::Untrue)?;
        let opening = entry.purchase.and_then(|(at, nt)| self.sams[at].opening(nt));
        let barred = opening.is_some_and(|opening| opening.barred);
        match entry.kind {
            Kind::Load | Kind::Unload => return self.report(commit),
            Kind::Purchase if barred => drop(self.books.exceptions.insert(Exception::Hotlisted(commit))),
            Kind::Purchase => self.books.purchase(commit, entry, outcome),
            Kind::Cancellation => {
                let owned = entry.purchase.is_some_and(|(at, _)| at != sam);
                self.books.cancellation(commit, entry.amount, owned);
            }
        }
        Ok(())
    }

    pub(super) fn close_claim(&mut self, purchase: Purchase) -> Result<(), Refused> {
        demand(self.fate(purchase) == Some(Fate::Never), Refused::Untrue)?;
        demand(self.books.claims.remove(&purchase), Refused::Unknown)
    }

    /// A dead purse is hotlisted first; what comes in later is the issuer's loss.
    pub(super) fn refund(&mut self, purse: usize) -> Result<(), Refused> {
        let there = self.known_purse(purse)?;
        demand(!there.alive && there.hotlisted, Refused::Conflict)?;
        demand(self.books.refunded.insert(purse), Refused::Conflict)?;
        self.books.refunds += std::mem::take(&mut self.books.shadows[purse]);
        Ok(())
    }
}
