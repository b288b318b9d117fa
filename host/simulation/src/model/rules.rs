//! The rules: under which condition each event may happen, and what it changes.

use super::oracle::Line;
use super::{Batch, Commit, Entry, Event, Kind, Minor, Model, Opening, Outcome, Purchase, Purse, Record};
use super::{Refused, Sam, Transfer, TransferState};

impl Model {
    /// Something has happened. What is refused changes nothing.
    pub fn apply(&mut self, event: Event) -> Result<(), Refused> {
        use Event::*;
        use Refused::*;
        match event {
            PurseIssued { maximum, overdraft } => {
                self.purses.push(Purse { range: (-overdraft, maximum), ..Purse::default() });
            }
            SessionOpened { purse } => {
                let purse = self.purse(purse)?;
                (purse.nt, purse.in_session, purse.order) = (purse.nt + 1, true, None);
            }
            SessionEnded { purse } => self.purse(purse)?.end_session(),
            Transferred { purse } => {
                let Purse { nt, in_session, .. } = *self.purse(purse)?;
                let order = self.transfers.get(&(purse, nt));
                let order = order.filter(|order| in_session && order.state == TransferState::Pending);
                let Transfer { kind, amount, freed, .. } = *order.ok_or(NoSession)?;
                self.commit(purse, Entry::new(kind, nt, amount, None, freed))?;
            }
            Debited { purse } => {
                let order = self.purse(purse)?.order.ok_or(NoSession)?;
                let Opening { session: (_, nt), amount, freed, .. } = *self.opening(order)?;
                self.commit(purse, Entry::new(Kind::Purchase, nt, amount, Some(order), freed))?;
            }
            Cancelled { purse } => {
                let last = self.purse(purse)?.log.last().filter(|last| last.kind == Kind::Purchase);
                let Entry { nt, amount, purchase, freed, .. } = *last.ok_or(NoSession)?;
                let voided = self.opening(purchase.ok_or(Unknown)?)?.outcome == Outcome::Voided;
                demand(voided, Untrue)?;
                self.commit(purse, Entry::new(Kind::Cancellation, nt, amount, purchase, freed))?;
            }
            PurseDestroyed { purse } => {
                let purse = self.purse(purse)?;
                purse.end_session();
                purse.dead = true;
            }

            SamInstalled => self.sams.push(Sam { batches: vec![Batch::default()], ..Sam::default() }),
            PurchaseOpened { sam, session, amount, freed } => {
                let transfer = self.transfers.contains_key(&session);
                let purse = self.purses.get(session.0).ok_or(Unknown)?;
                demand((1..=purse.nt).contains(&session.1), Unknown)?;
                demand(!transfer && (purse.order.is_none() || session.1 < purse.nt), Conflict)?;
                let (barred, current) = (purse.hotlisted, purse.may_commit(session.1));
                let (outcome, claim, openings) = (Outcome::Open, false, &mut self.sam(sam)?.openings);
                openings.push(Opening { session, amount, freed, outcome, barred, claim });
                let order = current.then_some((sam, number(openings.len())));
                self.purses[session.0].order = order.or(self.purses[session.0].order);
            }
            Credited { purchase } => {
                let outcome = self.opening(purchase)?.outcome;
                demand(matches!(outcome, Outcome::Open | Outcome::Unresolved), Untrue)?;
                let commit = self.debited(purchase).ok_or(Untrue)?;
                self.apply(ReceiptStored { sam: purchase.0, commit })?;
            }
            Completed { purchase: (sam, nt) } => {
                let open = self.opening((sam, nt))?.outcome == Outcome::Open;
                demand(open && self.never_debited((sam, nt)), Untrue)?;
                self.sam(sam)?.add(Record::Own(nt, Outcome::NotDebited, None));
            }
            Claimed { purchase: (sam, nt) } => {
                demand(self.opening((sam, nt))?.outcome == Outcome::Open, Conflict)?;
                self.sam(sam)?.add(Record::Own(nt, Outcome::Unresolved, None));
            }
            ReceiptStored { sam, commit } => {
                let Entry { kind, purchase, .. } = *self.entry(commit)?;
                let module = self.sam(sam)?;
                let own = purchase.filter(|(at, _)| *at == sam && kind == Kind::Purchase);
                match own.filter(|(_, nt)| module.openings[index(*nt)].outcome == Outcome::Open) {
                    Some((_, nt)) => module.add(Record::Own(nt, Outcome::Credited, Some(commit))),
                    None if module.keeps(commit) => {} // it came again
                    None => module.add(Record::Receipt(commit)),
                }
            }
            // In the open batch alone: what is collected is paid.
            Voided { purchase: (sam, nt) } => {
                let outcome = self.opening((sam, nt))?.outcome;
                let record = Record::Own(nt, outcome, Some(self.debited((sam, nt)).ok_or(Untrue)?));
                let module = self.sam(sam)?;
                let here = module.batches.last().is_some_and(|batch| batch.records.contains(&record));
                demand(here && matches!(outcome, Outcome::Credited | Outcome::Voided), Conflict)?;
                if let Record::Own(nt, Outcome::Credited, commit) = record {
                    module.add(Record::Own(nt, Outcome::Voided, commit));
                }
            }
            BatchClosed { sam } => {
                for nt in 1..=number(self.sam(sam)?.openings.len()) {
                    let _ = self.apply(Claimed { purchase: (sam, nt) }); // refused where it is not open
                }
                self.sam(sam)?.batches.push(Batch::default());
            }
            Acknowledged { sam, batch } => {
                let batch = self.sam(sam)?.batches.get_mut(index(batch)).ok_or(Unknown)?;
                demand(batch.stored, EvidenceLost)?;
                batch.records.clear();
            }
            SamDestroyed { sam } => self.sam(sam)?.dead = true,

            // Account hold, S1 and S2 are one entry, made before S2 leaves: the same S1 gets the same S2.
            Authorised { session: (purse, nt), kind, amount, approved, freed } => {
                let there = self.purses.get(purse).ok_or(Unknown)?;
                demand((1..=there.nt).contains(&nt), Unknown)?;
                let purchase = there.log.iter().any(|entry| entry.nt == nt && entry.purchase.is_some());
                demand(!purchase && (there.order.is_none() || nt < there.nt), Conflict)?;
                let state = if approved { TransferState::Pending } else { TransferState::Refused };
                let order = Transfer { kind, amount, freed, state };
                if let Some(known) = self.transfers.get(&(purse, nt)) {
                    let same = approved == (known.state != TransferState::Refused);
                    return demand(same && Transfer { state, ..*known } == order, Conflict);
                }
                let covered = kind == Kind::Load || there.balance <= self.explained(purse);
                demand(!approved || covered, OutOfBounds)?;
                self.transfers.insert((purse, nt), order);
            }
            Reported { commit } => {
                let Entry { kind, nt, .. } = *self.entry(commit).map_err(|_| Untrue)?;
                demand(matches!(kind, Kind::Load | Kind::Unload), Unknown)?;
                demand(self.transfers.contains_key(&(commit.0, nt)), Unknown)?;
                self.learn(commit, false);
            }
            // Only the purse's word reverses a transfer, never time; an unload is paid by its S6 alone.
            Concluded { session: (purse, nt), moved } => {
                let there = self.purses.get(purse).ok_or(Unknown)?;
                demand(moved == there.of_session(nt).is_some(), Untrue)?;
                demand(moved || !there.may_commit(nt), Untrue)?;
                let transfer = self.transfers.get_mut(&(purse, nt)).ok_or(Unknown)?;
                if transfer.state == TransferState::Pending {
                    demand(!moved || transfer.kind == Kind::Load, Conflict)?;
                    transfer.state = if moved { TransferState::Done } else { TransferState::Reversed };
                }
            }
            BatchArrived { sam, batch } => {
                let batches = &mut self.sams.get_mut(sam).ok_or(Unknown)?.batches;
                demand((1..batches.len()).contains(&(batch as usize)), Unknown)?;
                let first = !std::mem::replace(&mut batches[index(batch)].stored, true);
                for record in batches[index(batch)].records.clone().into_iter().filter(|_| first) {
                    match record {
                        Record::Own(nt, Outcome::Unresolved, _) => {
                            self.sams[sam].openings[index(nt)].claim = true
                        }
                        Record::Own(_, outcome, Some(commit)) => {
                            self.learn(commit, outcome == Outcome::Voided)
                        }
                        Record::Receipt(commit) => self.learn(commit, false),
                        Record::Own(..) => {}
                    }
                }
            }
            ClaimClosed { purchase } => {
                demand(self.is_claim(purchase), Unknown)?;
                demand(self.never_debited(purchase), Untrue)?;
                self.sams[purchase.0].openings[index(purchase.1)].claim = false;
            }
            Settled { commit } => {
                let line = self.line(commit).ok_or(Unknown)?;
                demand(line == Line::Booked, Conflict)?;
                self.purses[commit.0].log[index(commit.1)].settled = true;
            }
            Hotlisted { purse } => self.purses.get_mut(purse).ok_or(Unknown)?.hotlisted = true,
            Refunded { purse } => {
                let there = self.purses.get(purse).ok_or(Unknown)?;
                demand(there.dead && there.hotlisted && there.refunded.is_none(), Conflict)?;
                self.purses[purse].refunded = Some(self.explained(purse));
            }
        }
        Ok(())
    }

    /// The one place where value moves. Receipts are freed once somebody else has the evidence.
    fn commit(&mut self, at: usize, entry: Entry) -> Result<(), Refused> {
        let purse = &self.purses[at];
        let after = purse.balance + entry.kind.signed(entry.amount);
        let in_range = match entry.kind {
            Kind::Load => after <= purse.range.1,
            Kind::Unload => after >= 0,
            Kind::Purchase => after >= purse.range.0,
            Kind::Cancellation => true,
        };
        let sams = |nv| self.sams.iter().any(|sam| !sam.dead && sam.keeps((at, nv)));
        demand((purse.freed()..=purse.nv()).contains(&entry.freed), Refused::Untrue)?;
        let mut freed = purse.freed() + 1..=entry.freed;
        demand(freed.all(|nv| purse.log[index(nv)].known || sams(nv)), Refused::EvidenceLost)?;
        demand(in_range, Refused::OutOfBounds)?;
        let purse = &mut self.purses[at];
        purse.balance = after;
        purse.log.push(entry);
        purse.end_session();
        Ok(())
    }

    /// Evidence of a value commit has come in: in any order, and each counts once.
    fn learn(&mut self, (purse, nv): Commit, voided: bool) {
        let entry = &mut self.purses[purse].log[index(nv)];
        (entry.known, entry.voided) = (true, entry.voided || voided);
        if let (None, Some(transfer)) = (entry.purchase, self.transfers.get_mut(&(purse, entry.nt))) {
            transfer.state = TransferState::Done;
        }
    }

    fn purse(&mut self, purse: usize) -> Result<&mut Purse, Refused> {
        let purse = self.purses.get_mut(purse).ok_or(Refused::Unknown)?;
        if purse.dead { Err(Refused::Dead) } else { Ok(purse) }
    }

    fn sam(&mut self, sam: usize) -> Result<&mut Sam, Refused> {
        let sam = self.sams.get_mut(sam).ok_or(Refused::Unknown)?;
        if sam.dead { Err(Refused::Dead) } else { Ok(sam) }
    }

    pub(super) fn opening(&self, (sam, nt): Purchase) -> Result<&Opening, Refused> {
        self.sams.get(sam).and_then(|sam| sam.openings.get(index(nt))).ok_or(Refused::Unknown)
    }

    pub(super) fn entry(&self, (purse, nv): Commit) -> Result<&Entry, Refused> {
        self.purses.get(purse).and_then(|purse| purse.log.get(index(nv))).ok_or(Refused::Unknown)
    }

    /// The value commit of a purchase, if it was ever debited.
    pub(super) fn debited(&self, purchase: Purchase) -> Option<Commit> {
        let (purse, nt) = self.opening(purchase).ok()?.session;
        let commit = (purse, self.purses[purse].of_session(nt)?);
        (self.entry(commit).ok()?.purchase == Some(purchase)).then_some(commit)
    }

    fn never_debited(&self, purchase: Purchase) -> bool {
        let over = |opening: &Opening| !self.purses[opening.session.0].may_commit(opening.session.1);
        self.debited(purchase).is_none() && self.opening(purchase).is_ok_and(over)
    }
}

impl Purse {
    /// Value commits so far.
    pub fn nv(&self) -> u32 {
        number(self.log.len())
    }

    /// Up to this NV, receipts have been given up.
    pub fn freed(&self) -> u32 {
        self.log.last().map_or(0, |entry| entry.freed)
    }

    /// NV of what session `nt` committed.
    pub fn of_session(&self, nt: u32) -> Option<u32> {
        let own = |entry: &Entry| entry.nt == nt && entry.kind != Kind::Cancellation;
        self.log.iter().position(own).map(|place| number(place + 1))
    }

    fn may_commit(&self, nt: u32) -> bool {
        self.in_session && nt == self.nt
    }

    fn end_session(&mut self) {
        (self.in_session, self.order) = (false, None);
    }
}

impl Entry {
    fn new(kind: Kind, nt: u32, amount: Minor, purchase: Option<Purchase>, freed: u32) -> Self {
        Self { kind, nt, amount, purchase, freed, known: false, voided: false, settled: false }
    }
}

impl Sam {
    fn add(&mut self, record: Record) {
        self.batches.last_mut().expect("one is open").records.push(record);
        if let Record::Own(nt, outcome, _) = record {
            self.openings[index(nt)].outcome = outcome;
        }
    }

    /// Whether it has evidence of a value commit.
    pub(super) fn keeps(&self, commit: Commit) -> bool {
        self.batches.iter().flat_map(|batch| &batch.records).any(|record| match record {
            Record::Own(_, _, of) => *of == Some(commit),
            Record::Receipt(of) => *of == commit,
        })
    }
}

impl Kind {
    /// What it does to the balance.
    pub const fn signed(self, amount: Minor) -> Minor {
        match self {
            Self::Load | Self::Cancellation => amount,
            Self::Unload | Self::Purchase => -amount,
        }
    }
}

/// The condition under which something may happen.
const fn demand(condition: bool, otherwise: Refused) -> Result<(), Refused> {
    if condition { Ok(()) } else { Err(otherwise) }
}

/// NT, NV and batches count from 1; there is nothing at 0.
const fn index(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32")
}
