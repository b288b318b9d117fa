//! The rules: under which condition each event may happen, and what it changes.

use super::{Batch, Commit, Entry, Event, Kind, Minor, Model, Order, Ordered, Outcome, Purchase, Purse};
use super::{Refused, Sam, Session};

impl Model {
    /// Something has happened. What is refused changes nothing.
    pub fn apply(&mut self, event: Event) -> Result<(), Refused> {
        use Event::*;
        use Refused::*;
        match event {
            PurseIssued { range } => self.purses.push(Purse { range, ..Purse::default() }),
            SessionOpened { purse } => {
                let purse = self.purse(purse)?;
                (purse.nt, purse.in_session, purse.order) = (purse.nt + 1, true, None);
                purse.stated.push(purse.log.len());
            }
            SessionEnded { purse } => {
                let purse = self.purse(purse)?;
                (purse.in_session, purse.order) = (false, None);
            }
            Executed { purse } => {
                let Purse { nt, order, .. } = *self.purse(purse)?;
                self.commit(purse, nt, order.ok_or(NoSession)?)?;
            }
            Cancelled { purse } => {
                let Entry { order, nt, .. } = *self.purse(purse)?.log.last().ok_or(NoSession)?;
                let purchase = order.purchase.filter(|_| order.kind == Kind::Purchase).ok_or(NoSession)?;
                demand(self.opening(purchase)?.outcome == Outcome::Voided, Untrue)?;
                self.commit(purse, nt, Order { kind: Kind::Cancellation, ..order })?;
            }
            PurseDestroyed { purse } => self.purse(purse)?.dead = true,

            SamInstalled => self.sams.push(Sam::default()),
            PurchaseOpened { sam, session, amount, freed } => {
                demand(!self.transfers.contains_key(&session), Conflict)?;
                let place = self.place_for(sam, session)?;
                let purchase = (sam, place + 1);
                let order = Order { kind: Kind::Purchase, amount, freed, purchase: Some(purchase) };
                let outcome = self.order(session, order)?;
                let (opening, openings) = (Ordered { session, order, outcome }, &mut self.sams[sam].openings);
                match openings.get_mut(place) {
                    Some(before) => *before = opening,
                    None => openings.push(opening),
                }
            }
            Credited { purchase } => {
                let commit = self.debited(purchase).ok_or(Untrue)?;
                self.apply(ReceiptStored { sam: purchase.0, commit })?;
            }
            Completed { purchase } => {
                let (purse, nt) = self.opening(purchase)?.session;
                let over = !self.purses[purse].may_commit(nt);
                demand(over && self.debited(purchase).is_none(), Untrue)?;
                self.decide(purchase, &[Outcome::Open], Outcome::Vacant)?;
            }
            Claimed { purchase } => {
                let to = abandoned(self.opening(purchase)?.outcome);
                self.decide(purchase, &[Outcome::Open, Outcome::Vacant], to)?;
            }
            ReceiptStored { sam, commit } => {
                let own = self.entry(commit)?.order.purchase.filter(|(at, _)| *at == sam);
                self.sam(sam)?.open.evidence.insert(commit);
                // Refused where that was decided before.
                let _ = own.map(|own| self.decide(own, &[Outcome::Open], Outcome::Done));
            }
            // In the open batch alone: what is collected is paid. What is voided already may be asked for again.
            Voided { purchase } => {
                let again = self.opening(purchase)?.outcome == Outcome::Voided;
                demand(again || index(purchase.1) >= self.sam(purchase.0)?.open.first, Conflict)?;
                // Without the purse's word as well: what it has paid is then owed to its holder.
                let from = [Outcome::Open, Outcome::Vacant, Outcome::Done, Outcome::Voided];
                self.decide(purchase, &from, Outcome::Voided)?;
            }
            BatchClosed { sam } => {
                let Sam { openings, open, closed, .. } = self.sam(sam)?;
                let still = openings[open.first..].iter_mut();
                still.for_each(|opening| opening.outcome = abandoned(opening.outcome));
                let next = Batch { first: openings.len(), ..Batch::default() };
                closed.push(std::mem::replace(open, next));
            }
            Acknowledged { sam, batch } => {
                let Sam { closed, forgotten, .. } = self.sam(sam)?;
                let oldest = closed.get(*forgotten).filter(|_| index(batch) == *forgotten);
                demand(oldest.ok_or(Unknown)?.stored, EvidenceLost)?;
                *forgotten += 1;
            }
            SamDestroyed { sam } => self.sam(sam)?.dead = true,

            // Account hold, S1 and S2 are one entry, made before S2 leaves: the same S1 gets the same S2.
            Authorised { session, kind, amount, approved, freed } => {
                let order = Order { kind, amount, freed, purchase: None };
                if let Some(known) = self.transfers.get(&session) {
                    let same = approved == (known.outcome != Outcome::Refused) && known.order == order;
                    return demand(same, Conflict);
                }
                let purse = self.of_session(session)?;
                demand(purse.of_session(session.1).is_none(), Conflict)?;
                let covered = kind == Kind::Load || purse.balance <= purse.shadow;
                demand(covered || !approved || !purse.may_commit(session.1), OutOfBounds)?;
                let outcome = if approved { self.order(session, order)? } else { Outcome::Refused };
                self.transfers.insert(session, Ordered { session, order, outcome });
                self.purses[session.0].shadow = self.shadow(session.0);
            }
            Reported { commit } => self.learn(commit)?,
            // Only the purse's word reverses a transfer, never time; an unload is paid by its S6 alone.
            Concluded { session, moved } => {
                let purse = self.of_session(session)?;
                let over = !purse.may_commit(session.1);
                demand(over && moved == purse.of_session(session.1).is_some(), Untrue)?;
                let Ordered { order, outcome, .. } = self.transfers.get_mut(&session).ok_or(Unknown)?;
                if *outcome == Outcome::Open {
                    demand(!moved || order.kind == Kind::Load, Conflict)?;
                    *outcome = if moved { Outcome::Done } else { Outcome::Never };
                    self.purses[session.0].shadow = self.shadow(session.0);
                }
            }
            BatchArrived { sam, batch } => {
                let closed = &mut self.sams.get_mut(sam).ok_or(Unknown)?.closed;
                let batch = closed.get_mut(index(batch)).ok_or(Unknown)?;
                batch.stored = true;
                let evidence = batch.evidence.clone();
                evidence.into_iter().try_for_each(|commit| self.learn(commit))?;
            }
        }
        Ok(())
    }

    /// The place of a purchase among those of its PSAM: that of one that this purse can no longer carry
    /// out, as it states the same NV in a later session; else one that is free; else a new one.
    fn place_for(&mut self, sam: usize, session: Session) -> Result<usize, Refused> {
        self.of_session(session)?;
        let Sam { openings, open, .. } = &*self.sam(sam)?;
        let in_batch: Vec<_> = openings.iter().copied().enumerate().skip(open.first).collect();
        let (stated, end) = (&self.purses[session.0].stated, self.sams[sam].openings.len());
        let waits = |of: &Ordered| matches!(of.outcome, Outcome::Open | Outcome::Vacant);
        let dead = |of: &Ordered| {
            let before = of.session;
            before.0 == session.0
                && before.1 < session.1
                && stated[index(before.1)] == stated[index(session.1)]
        };
        let own = in_batch.iter().find(|(_, of)| waits(of) && dead(of));
        let free = in_batch.iter().find(|(_, of)| of.outcome == Outcome::Vacant);
        Ok(own.or(free).map_or(end, |(place, _)| *place))
    }

    /// S2 leaves. It orders something while its session can still commit.
    fn order(&mut self, session: Session, order: Order) -> Result<Outcome, Refused> {
        let purse = self.of_session(session)?;
        if purse.may_commit(session.1) {
            demand(purse.order.is_none(), Refused::Conflict)?;
            purse.order = Some(order);
        }
        Ok(Outcome::Open)
    }

    /// The one place where value moves. Receipts are freed once somebody else has the evidence.
    fn commit(&mut self, at: usize, nt: usize, order: Order) -> Result<(), Refused> {
        let purse = &self.purses[at];
        let after = purse.balance + order.signed();
        let least = if order.kind == Kind::Unload { 0 } else { purse.range.0 };
        demand((least..=purse.range.1).contains(&after), Refused::OutOfBounds)?;
        demand((purse.freed()..=purse.log.len()).contains(&order.freed), Refused::Untrue)?;
        let kept = |nv| self.sams.iter().any(|sam| !sam.dead && sam.keeps((at, nv)));
        let mut freed = purse.freed() + 1..=order.freed;
        demand(freed.all(|nv| purse.log[index(nv)].known || kept(nv)), Refused::EvidenceLost)?;
        let purse = &mut self.purses[at];
        (purse.balance, purse.in_session, purse.order) = (after, false, None);
        purse.log.push(Entry { order, nt, known: false });
        Ok(())
    }

    /// Evidence of a value commit has come in, from a PSAM or not: in any order, and each
    /// counts once. A load is booked since S2 left.
    fn learn(&mut self, commit: Commit) -> Result<(), Refused> {
        let nt = self.entry(commit)?.nt;
        self.purses[commit.0].log[index(commit.1)].known = true;
        self.transfers.entry((commit.0, nt)).and_modify(|transfer| transfer.outcome = Outcome::Done);
        self.purses[commit.0].shadow = self.shadow(commit.0);
        Ok(())
    }

    /// A PSAM decides what has become of its purchase.
    fn decide(&mut self, (sam, nt): Purchase, from: &[Outcome], to: Outcome) -> Result<(), Refused> {
        let opening = self.sam(sam)?.openings.get_mut(index(nt)).ok_or(Refused::Unknown)?;
        demand(from.contains(&opening.outcome), Refused::Conflict)?;
        opening.outcome = to;
        Ok(())
    }

    fn purse(&mut self, purse: usize) -> Result<&mut Purse, Refused> {
        self.purses.get_mut(purse).filter(|purse| !purse.dead).ok_or(Refused::Unknown)
    }

    fn sam(&mut self, sam: usize) -> Result<&mut Sam, Refused> {
        self.sams.get_mut(sam).filter(|sam| !sam.dead).ok_or(Refused::Unknown)
    }

    /// The purse of a session that was opened.
    fn of_session(&mut self, (purse, nt): Session) -> Result<&mut Purse, Refused> {
        self.purses.get_mut(purse).filter(|purse| (1..=purse.nt).contains(&nt)).ok_or(Refused::Unknown)
    }

    pub fn opening(&self, (sam, nt): Purchase) -> Result<&Ordered, Refused> {
        self.sams.get(sam).and_then(|sam| sam.openings.get(index(nt))).ok_or(Refused::Unknown)
    }

    pub fn entry(&self, (purse, nv): Commit) -> Result<&Entry, Refused> {
        self.purses.get(purse).and_then(|purse| purse.log.get(index(nv))).ok_or(Refused::Unknown)
    }
}

impl Purse {
    /// Up to this NV, receipts have been given up.
    pub fn freed(&self) -> usize {
        self.log.last().map_or(0, |entry| entry.order.freed)
    }

    /// NV of what session `nt` committed; its cancellation comes after that.
    pub fn of_session(&self, nt: usize) -> Option<usize> {
        let place = self.log.partition_point(|entry| entry.nt < nt);
        self.log.get(place).filter(|entry| entry.nt == nt).map(|_| place + 1)
    }

    fn may_commit(&self, nt: usize) -> bool {
        self.in_session && nt == self.nt
    }
}

impl Sam {
    /// Whether it has evidence of a value commit.
    pub(super) fn keeps(&self, commit: Commit) -> bool {
        let batches = self.closed[self.forgotten..].iter().chain([&self.open]);
        batches.into_iter().any(|batch| batch.evidence.contains(&commit))
    }
}

impl Order {
    /// What it does to the balance.
    pub fn signed(self) -> Minor {
        let credit = matches!(self.kind, Kind::Load | Kind::Cancellation);
        if credit { self.amount } else { -self.amount }
    }

    /// What the issuer books when S2 leaves.
    pub(super) fn ahead(self) -> Minor {
        if self.kind == Kind::Load { self.amount } else { 0 }
    }
}

/// What an opening becomes when its batch is closed.
const fn abandoned(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Open => Outcome::Claimed,
        Outcome::Vacant => Outcome::Never,
        decided => decided,
    }
}

/// The condition under which something may happen.
const fn demand(condition: bool, otherwise: Refused) -> Result<(), Refused> {
    if condition { Ok(()) } else { Err(otherwise) }
}

/// NT, NV and batches count from 1; there is nothing at 0.
const fn index(number: usize) -> usize {
    number.wrapping_sub(1)
}
